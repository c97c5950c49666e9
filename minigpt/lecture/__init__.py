"""What a lecturer opens in the hall: full screens in a terminal."""
