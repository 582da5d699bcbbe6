"""Why a detector's AP is what it is: by class, by size, by kind of error, in confused classes."""
