"""The part that runs inside the Lambda runtime process."""
