"""A few words of other languages, as the English ones that the rules know. Enough for direction and training.

Only sentences that are plainly of one of these languages are turned; the order of their words is near enough to
English for who acts, what is denied, and what is trained.
"""

# ruff: noqa: E501 - tables of words

from __future__ import annotations

import re
from typing import Final

_ENGLISH: Final = frozenset("the of and to with that this for are your our".split())

_WORDS: Final = {
    "fr": (
        "nous vous les des une pour dans sur avec est aux ou leur vos nos de et le la pas à",
        {
            "we": "nous", "you": "vous", "your": "vos votre", "our": "nos notre", "data": "données", "content": "contenu contenus",
            "information": "informations", "not": "pas jamais ne n", "may": "pouvez peut peuvent pouvons pourrons",
            "train": "entraîner entraînent entraîne entraînons entraînés former", "training": "entraînement apprentissage",
            "models": "modèles modèle", "improve": "améliorer", "develop": "développer", "use": "utiliser utilisons",
            "prohibited": "interdit interdite", "is": "est", "messages": "messages", "unless": "sauf", "optout": "opposer",
            "algorithms": "algorithmes", "ai": "ia",
        },
        ("intelligence artificielle", "apprentissage automatique"),
    ),
    "de": (
        "wir sie die der das und zu mit nicht für von ist auf ihre ihren um werden unsere verwenden dürfen",
        {
            "we": "wir", "you": "sie du", "your": "ihre ihrer ihren deine deinen", "our": "unsere unserer unseren",
            "data": "daten", "content": "inhalte inhalten", "not": "nicht nie niemals keine", "may": "dürfen können kann darf",
            "train": "trainieren trainiert", "training": "training schulung", "models": "modelle modellen modell",
            "improve": "verbessern", "develop": "entwickeln", "use": "verwenden nutzen", "prohibited": "verboten untersagt",
            "is": "ist", "messages": "nachrichten", "optout": "widersprechen", "algorithms": "algorithmen", "ai": "ki",
            "will": "werden wird",
        },
        ("künstliche intelligenz", "maschinelles lernen", "künstlicher intelligenz", "maschinellen lernens"),
    ),
    "es": (
        "los las para con que una por del sus en no podemos",
        {
            "we": "nosotros utilizamos usamos podemos entrenamos", "you": "usted puedes debe debes ustedes",
            "your": "sus tus su tu", "our": "nuestros nuestras nuestra", "data": "datos", "content": "contenido contenidos",
            "not": "no nunca", "may": "puede pueden podrá", "train": "entrenar", "training": "entrenamiento",
            "models": "modelos modelo", "improve": "mejorar", "develop": "desarrollar", "prohibited": "prohibido prohibida",
            "is": "está", "messages": "mensajes", "optout": "oponerse", "algorithms": "algoritmos", "ai": "ia",
        },
        ("inteligencia artificial", "aprendizaje automático"),
    ),
    "it": (
        "gli che per con una del dei sono nostri vostri non i suoi possiamo",
        {
            "we": "noi utilizziamo usiamo possiamo", "you": "voi puoi potete", "your": "tuoi vostri suoi", "our": "nostri nostra",
            "data": "dati", "content": "contenuti", "not": "non mai", "may": "può possono", "train": "addestrare",
            "training": "addestramento", "models": "modelli modello", "improve": "migliorare", "develop": "sviluppare",
            "prohibited": "vietato", "is": "è", "messages": "messaggi", "algorithms": "algoritmi", "ai": "ia",
        },
        ("intelligenza artificiale", "apprendimento automatico"),
    ),
    "pt": (
        "os as para com que uma por dos seus em não nós podemos",
        {
            "we": "nós usamos utilizamos podemos", "you": "você vocês", "your": "seus suas seu", "our": "nossos nossas",
            "data": "dados", "content": "conteúdo", "not": "não nunca", "may": "pode podem", "train": "treinar",
            "training": "treinamento treino", "models": "modelos modelo", "improve": "melhorar", "develop": "desenvolver",
            "prohibited": "proibido", "is": "é", "messages": "mensagens", "algorithms": "algoritmos", "ai": "ia",
        },
        ("inteligência artificial", "aprendizado de máquina", "aprendizagem automática"),
    ),
    "nl": (
        "wij het een van voor met niet uw en om te zijn onze gegevens",
        {
            "we": "wij we", "you": "u je", "your": "uw jouw", "our": "onze ons", "data": "gegevens", "content": "inhoud",
            "not": "niet nooit geen", "may": "mag mogen kunnen", "train": "trainen", "training": "training",
            "models": "modellen model", "improve": "verbeteren", "develop": "ontwikkelen", "use": "gebruiken",
            "prohibited": "verboden", "is": "is", "messages": "berichten", "algorithms": "algoritmen", "ai": "ai",
        },
        ("kunstmatige intelligentie", "machinaal leren"),
    ),
}  # fmt: skip

_COMMON: Final = {name: frozenset(common.split()) for name, (common, _, _) in _WORDS.items()}
_TURNED: Final = {
    name: {word: english for english, words in table.items() for word in words.split()}
    for name, (_, table, _) in _WORDS.items()
}
_PHRASES: Final = {
    name: re.compile("|".join(phrases), re.IGNORECASE) for name, (_, _, phrases) in _WORDS.items()
}
_ELISION: Final = re.compile(r"\b(?:[ldnsmjc]|qu)['’]", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W\d_]+")
_ENOUGH: Final = 3


def language_of(text: str) -> str | None:
    """The language of a sentence, where it is plainly one of those known here; None: English, or not known."""
    words = frozenset(_WORD.findall(text.casefold()))
    if len(words & _ENGLISH) > 1:
        return None
    best = max(_COMMON, key=lambda name: len(words & _COMMON[name]))
    return best if len(words & _COMMON[best]) >= _ENOUGH else None


def as_english(text: str) -> str:
    """The sentence with the words that matter in English; the same where it is English."""
    name = language_of(text)
    if name is None:
        return text
    turned = _TURNED[name]
    text = _PHRASES[name].sub("ai", _ELISION.sub(" ", text).replace("-", " "))
    return _WORD.sub(lambda found: turned.get(found[0].casefold(), found[0]), text)
