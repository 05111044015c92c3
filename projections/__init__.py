"""What the events add up to: pure folds, a pure resolver, and the views that hold the states."""
