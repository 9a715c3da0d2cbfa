"""Rules about a file as a whole, and about whole columns of it."""

from collections.abc import Mapping
from typing import Final

from tunesmith.dataset_rules.catalogue.rule import Rule
from tunesmith.dataset_rules.findings import Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

WHOLE: Final[Mapping[str, Rule]] = {
    # --- the file --------------------------------------------------------------------------
    "FILE_EMPTY": Rule(
        _ERROR,
        "No example in the file",
        "There is nothing to learn from.",
        "Write one JSON object per line, one line per example.",
    ),
    "FORMAT_UNSUPPORTED": Rule(
        _ERROR,
        "A format that cannot be read",
        "The first bytes are those of something else, so no row can be read.",
        "Save it as JSONL, JSON, CSV, TSV, XLSX or TXT.",
    ),
    "TOO_FEW_EXAMPLES": Rule(
        _WARNING,
        "Fewer than 100 examples",
        "A model fine-tuned on so few examples mostly repeats them; quality grows with each"
        " doubling of the dataset.",
        "Collect at least a few hundred examples, for classification 100 per class.",
    ),
    "DUPLICATE_ROWS": Rule(
        _WARNING,
        "Rows that repeat an earlier row",
        "A repeated example weighs more than the others, and one that is also in the validation"
        " data makes the scores look better than they are.",
        "Remove the repeated rows.",
        fixable=True,
    ),
    "NEAR_DUPLICATE_ROWS": Rule(
        _WARNING,
        "Rows that nearly repeat an earlier row",
        "They differ from an earlier row in upper and lower case, white space, punctuation or"
        " digits alone, of ASCII; texts of fewer than 20 letters are not compared, and a row with"
        " another word in it is not found. They weigh"
        " as much as a repeated row, and teach little more.",
        "Look at some of them; remove them if the difference does not matter.",
    ),
    "LEAKAGE": Rule(
        _WARNING,
        "Validation rows that are also in the training data",
        "The model has seen the answers, so the scores look better than they are.",
        "Remove them from one of the two.",
    ),
    "NEAR_LEAKAGE": Rule(
        _WARNING,
        "Validation rows that are nearly in the training data",
        "They differ from a training row in upper and lower case, white space, punctuation or"
        " digits alone, so the scores look better than they are.",
        "Split anew, so that such rows come into the same part.",
    ),
    "SEPARATORS_MIXED": Rule(
        _WARNING,
        "Different separators at the end of prompts",
        "The end of the prompt tells the model where its completion begins; several of them,"
        " each in a tenth of the rows or more, are learnt less well than one.",
        "End all prompts with the same separator, also in requests.",
    ),
    "CLASS_SMALL": Rule(
        _WARNING,
        "Classes with fewer than 100 examples",
        "Too few to learn what sets the class apart from the others.",
        "Collect more examples of these classes, or join them with others.",
    ),
    "CLASS_IMBALANCE": Rule(
        _WARNING,
        "One class has ten times the examples of another",
        "The model learns to answer with the frequent class when in doubt.",
        "Add examples of the rare class, or leave out some of the frequent one.",
    ),
    "CLASS_VARIANTS": Rule(
        _WARNING,
        "Classes that differ in case or white space alone",
        "They are probably meant as one; the model has to guess which way to write it.",
        "Write the label the same way in all rows.",
    ),
    # --- whole columns of prompts and completions -------------------------------------------
    "LONG_ROWS": Rule(
        _WARNING,
        "Rows of more than 10,000 characters",
        "So long an example is more than the context of most models holds: the beginning of its"
        " prompt is cut off.",
        "Shorten or remove these rows; the statistics count what is over the context.",
        fixable=True,
    ),
    "PROMPT_UPPER_CASE": Rule(
        _WARNING,
        "Prompts mostly in upper case",
        "Models have read little text in capitals, and need more tokens for it.",
        "Write the prompts in lower case, if that makes sense here; also those of requests.",
        fixable=True,
    ),
    "COMPLETION_UPPER_CASE": Rule(
        _WARNING,
        "Completions mostly in upper case",
        "Models have read little text in capitals, and need more tokens for it.",
        "Write the completions in lower case, if that makes sense here.",
        fixable=True,
    ),
    "PROMPTS_IDENTICAL": Rule(
        _WARNING,
        "All prompts are the same",
        "A prompt that never changes tells the model nothing about the completion.",
        "Leave the prompts empty for open-ended generation, or write the prompts that differ.",
    ),
    "COMPLETIONS_IDENTICAL": Rule(
        _WARNING,
        "All completions are the same",
        "The model learns to repeat that one text, whatever the prompt.",
        "Write the completions that differ.",
    ),
    "PROMPT_SUFFIX_LONG": Rule(
        _INFO,
        "A long common end of all prompts",
        "It takes tokens in each row and each request, and a short one tells as much.",
        "Use a shorter one.",
    ),
    "PROMPT_SUFFIX_AMBIGUOUS": Rule(
        _WARNING,
        "The separator also stands inside of prompts",
        "It cannot tell the model where the completion begins.",
        "End the prompts with a text that stands nowhere else in them.",
    ),
    "PROMPT_SUFFIX_MISSING": Rule(
        _WARNING,
        "No separator at the end of prompts",
        "The model may go on with the prompt in place of completing it.",
        "End each prompt with the same short text, also in requests.",
        fixable=True,
    ),
    "PROMPT_PREFIX_COMMON": Rule(
        _INFO,
        "A long common beginning of all prompts",
        "A short one helps. A long instruction is learnt soon and then paid for in each row and"
        " request; with few examples it may still be worth it.",
        "Begin the prompts of requests with it, too; consider to cut a long one off.",
        fixable=True,
    ),
    "COMPLETION_PREFIX_COMMON": Rule(
        _WARNING,
        "A common beginning of all completions",
        "It says nothing of the row, and is written and paid for in each answer.",
        "Cut it off.",
        fixable=True,
    ),
    "COMPLETION_SUFFIX_LONG": Rule(
        _INFO,
        "A long common end of all completions",
        "It is written and paid for in each answer, and a short one does the same.",
        "Use a shorter one.",
    ),
    "COMPLETION_SUFFIX_AMBIGUOUS": Rule(
        _WARNING,
        "The stop text also stands inside of completions",
        "Where a request stops at it, such an answer is cut short.",
        "End the completions with a text that stands nowhere else in them.",
    ),
    "COMPLETION_SUFFIX_MISSING": Rule(
        _WARNING,
        "No common end of completions",
        "Nothing is added to a completion in training, so the model does not learn where to stop.",
        'End each completion with the same short text, and give it as "stop" in requests.',
        fixable=True,
    ),
    "COMPLETION_SPACE_MISSING": Rule(
        _WARNING,
        "Completions that do not begin with a blank",
        "Most tokenizers have their words with the blank before them; without it a word takes"
        " more tokens, and rarer ones.",
        "Begin each completion with a blank.",
        fixable=True,
    ),
}
