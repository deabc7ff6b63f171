"""What is printed where on a page: leads, rows, columns, speed and gain."""
