"""The tests: a package, to be found before others of that name (mmsegmentation has one)."""
