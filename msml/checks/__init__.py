"""Everything that judges a recipe against files, models and registries."""
