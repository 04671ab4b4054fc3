"""What a browser gets: a page that says what this is, and a reference that can be tried out."""
