"""How the workers of a call are started, watched and stopped: a file for each `launcher=`."""
