"""The JSON contract: results as the documents that scripts read. Fields are added, never changed."""
