"""Long work that an operator starts: audit, rebuild, populate."""
