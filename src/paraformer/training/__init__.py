"""Takes a task (a network and its loss at step k) and typed settings.
Gives trained weights, the same bits whether or not the work was interrupted.
Never knows what is learned: no cells, parameters or models."""
