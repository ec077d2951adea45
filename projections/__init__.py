"""Read models: what the events mean. Nothing stands here yet; it imports casestore only."""
