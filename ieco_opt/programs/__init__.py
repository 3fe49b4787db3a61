"""The mixed-integer programs, one function a family of constraints."""
