"""The look at whole datasets, in processes of their own: counting tokens, and the rules' last word.

`process` is the server's side of a worker, `worker` the program, `tokenizers` tells what counts for
a base model.
"""
