"""What is said by roles of operators and of layers, and so holds in any search space."""
