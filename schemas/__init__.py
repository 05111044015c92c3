"""The shapes that cross a process boundary: numbers, scopes, events, states, decisions."""
