"""The look at whole datasets, in processes of their own: counting tokens, and the rules' last word.

`process` is the server's side of a worker, `worker` the program; `hugging_face` and `chat_template`
read what comes with a base model.
"""
