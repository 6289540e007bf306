"""The process that runs a project's hubs, for a statekeeper: not for the project's code."""
