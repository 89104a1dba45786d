"""What the measurements of scoring share: texts, peers, processes to run them in, and the way to tell the results."""
