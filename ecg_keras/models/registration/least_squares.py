"""Weighted least squares in `keras.ops`, of what every export knows: products.

Factorizations are calls into LAPACK, which ONNX does not have.
"""

import numpy as np
from keras import ops

# Each doubles the digits that are right; the first find the matrix's scale.
_STEPS = 30
# Once more for what rounding left, and again.
_CORRECTIONS = 2


def least_squares(basis, values, weight, penalty):
    """Solve basis @ x = values, in the sense of weighted least squares.

    Args:
        basis: (B, n, k); values: (B, n, m); weight: (B, n).
        penalty: (k, k) array, positive semidefinite: x' penalty x is added to
            the sum of squares.

    Returns:
        (B, k, m).
    """
    weighted = ops.transpose(basis * weight[..., None], (0, 2, 1))
    matrix = ops.matmul(weighted, basis)
    matrix = matrix + ops.convert_to_tensor(penalty.astype(np.float32))[None]
    return solve(matrix, ops.matmul(weighted, values))


def solve(matrix, right):
    """Solve matrix @ x = right for symmetric positive matrices.

    By the iteration of Newton and Schulz for the inverse, X (2 - A X), on
    matrices with ones on the diagonal.

    Args:
        matrix: (B, k, k), its condition below about 1e5; right: (B, k, m).

    Returns:
        (B, k, m).
    """
    k = matrix.shape[-1]
    eye = ops.convert_to_tensor(np.eye(k, dtype=np.float32)[None])
    scale = ops.rsqrt(ops.sum(matrix * eye, axis=-1, keepdims=True))
    matrix = matrix * scale * ops.transpose(scale, (0, 2, 1))
    bound = ops.max(ops.sum(ops.abs(matrix), axis=-1), axis=-1)
    inverse = eye / bound[:, None, None]
    for _ in range(_STEPS):
        inverse = ops.matmul(inverse, 2 * eye - ops.matmul(matrix, inverse))
    right = right * scale
    x = ops.matmul(inverse, right)
    for _ in range(_CORRECTIONS):
        x = x + ops.matmul(inverse, right - ops.matmul(matrix, x))
    return x * scale
