"""Containers on a real engine: the engine, our files on it, the commands of our documents."""
