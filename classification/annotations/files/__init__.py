"""Files of annotated images: found, and read even where they are damaged or hostile."""
