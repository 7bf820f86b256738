"""What each key of a recipe means: its type, its default and its text in the schema."""
