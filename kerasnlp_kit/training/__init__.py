"""From token ids and labels to weights: batches, schedule, loop, checkpoints, devices."""
