"""Geometry of the printed page: px, mm, mV and s, all derived from here.

Coordinates are px from the top left corner of the 2200 x 1700 page, x right,
y down, pixel centres at .5. Positions of rows and of t = 0 were measured on
pages drawn by the competition's generator.
"""

PAGE_WIDTH_PX = 2200
PAGE_HEIGHT_PX = 1700

DPI = 200
MM_PER_INCH = 25.4
PX_PER_MM = DPI / MM_PER_INCH  # 7.874

PAPER_SPEED_MM_PER_S = 25.0
GAIN_MM_PER_MV = 10.0
PX_PER_S = PAPER_SPEED_MM_PER_S * PX_PER_MM  # 196.85
PX_PER_MV = GAIN_MM_PER_MV * PX_PER_MM  # 78.74

FINE_GRID_MM = 1.0
COARSE_GRID_MM = 5.0

# Where 0 mV lies on each of the four rows, the rhythm strip last.
ZERO_MV_Y_PX = (708.29, 991.62, 1274.95, 1534.67)
N_ROWS = len(ZERO_MV_Y_PX)

TIME_ZERO_X_PX = 118.1

CALIBRATION_PULSE_MV = 1.0
CALIBRATION_PULSE_S = 0.2

# Ticks between the columns of the upper three rows, about their zero lines.
TICK_TIMES_S = (2.5, 5.0, 7.5)
TICK_WIDTH_PX = 5.8
TICK_HEIGHT_PX = 50.0


def x_px(time_s):
    """Page x in px of a time in s (a number or an array)."""
    return TIME_ZERO_X_PX + time_s * PX_PER_S


def time_s(x_px):
    """Time in s at a page x in px; the inverse of `x_px`."""
    return (x_px - TIME_ZERO_X_PX) / PX_PER_S


def y_px(voltage_mv, row):
    """Page y in px of a voltage in mV on a row (0 to 3, the strip is 3)."""
    return ZERO_MV_Y_PX[row] - voltage_mv * PX_PER_MV


def voltage_mv(y_px, row):
    """Voltage in mV at a page y in px on a row; the inverse of `y_px`."""
    return (ZERO_MV_Y_PX[row] - y_px) / PX_PER_MV
