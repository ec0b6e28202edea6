"""Files of pose estimators and cameras, each in the form of its producer."""
