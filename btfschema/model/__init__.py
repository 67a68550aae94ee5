"""What a user holds: the container, its views, and what is made of them."""
