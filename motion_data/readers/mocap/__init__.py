"""Motion capture: hierarchies, markers and suits."""
