"""Families of attempts: design section 5's table, each with what it is and its generators."""
