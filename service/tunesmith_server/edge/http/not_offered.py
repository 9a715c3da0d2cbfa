"""What OpenAI has and this service has not: said so, each with its reason."""

CODE = "not_offered"
_OFFERS = (
    "This service offers files, uploads, fine-tunes, fine-tuning jobs, models, completions and "
    "chat completions: see /openapi.json."
)
_GRADERS = "Graders belong to reinforcement fine-tuning, which is not offered here. "
_REASONS = {
    "fine_tuning/alpha": _GRADERS,
    "assistants": "Assistants are not offered here. ",
    "threads": "Assistants are not offered here. ",
    "responses": "Responses are not offered here: ask with chat completions. ",
    "conversations": "Conversations are not offered here: ask with chat completions. ",
    "realtime": "Realtime sessions are not offered here. ",
    "batches": "Batches are not offered here: send completions as they are, several at once. ",
    "embeddings": "Embeddings are not offered here: the models here go on from texts. ",
    "moderations": "Moderations are not offered here. ",
    "vector_stores": "Vector stores are not offered here. ",
    "evals": "Evals are not offered here: ask the tuned model about rows that were held out. ",
    "images": "Images are not offered here. ",
    "audio": "Audio is not offered here. ",
    "videos": "Videos are not offered here. ",
    "edits": "Edits are not offered here; OpenAI ended them, too. ",
    "answers": "Answers are not offered here; OpenAI ended them, too. ",
    "classifications": "Classifications are not offered here: fine-tune a model for them. ",
    "search": "Search is not offered here; OpenAI ended it, too. ",
    "organization": "Organizations are managed over gRPC and with the command line. ",
    "projects": "There are no projects here. ",
}


def reason(path: str) -> str | None:
    """Why nothing is at a path of OpenAI's; None if OpenAI has nothing there either."""
    rest = path.removeprefix("/v1/")
    if rest == path:
        return None
    for name, words in _REASONS.items():
        if rest == name or rest.startswith(f"{name}/"):
            return words + _OFFERS
    return None
