"""Operations: status, health, populate, audit and rebuild."""
