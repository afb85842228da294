"""Results for people and programs: pictures, arrays, and a manifest of where they come from."""
