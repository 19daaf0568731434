"""What kind of text is it that differs from one prompt to the next: a date, an id, a person, a number?"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

from bursar.policies.fingerprint import Cause
from bursar.policies.values import value

AROUND = 120
"""Characters on each side of what differs that are looked at."""
AT_MOST = 600
"""Characters of what differs that are looked at."""
EPOCH_SECONDS = 366 * 86_400
"""How far apart two numbers may be that count the seconds since 1970, to be told from others as long."""
JSON_TRIES = 12

_MONTHS = (
    "jan(?:uary|uar|vier|eiro)?|gennaio|enero|januari|feb(?:ruary|ruar|braio|rero|ruari)?|février|févr|fevereiro|"
    "mar(?:ch|s|zo|ço)?|märz|maart|apr(?:il|ile)?|avril|abril|abr|may|mai|mayo|maggio|maio|mei|"
    "jun(?:e|i|io|ho)?|juin|giugno|jul(?:y|i|io|ho)?|juillet|luglio|aug(?:ust|ustus)?|août|agosto|ago|"
    "sep(?:t|tember|tembre|tiembre)?|settembre|septembre|setembro|oct(?:ober|obre|ubre)?|okt(?:ober)?|ottobre|"
    "outubro|octobre|nov(?:ember|embre|iembre|embro)?|dec(?:ember)?|dez(?:ember|embro)?|dic(?:embre|iembre)?|déc(?:embre)?|"
    "stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia|"
    "января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря"
)
_DAYS = (
    "mon(?:day)?|tues?(?:day)?|wed(?:nesday)?|thu(?:rs|r)?(?:day)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?|"
    "montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|"
    "lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|sábado|domingo|"
    "lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica|segunda-feira|terça-feira|quarta-feira|quinta-feira|"
    "sexta-feira|maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag|[月火水木金土日]曜日|星期[一二三四五六日]"
)
_TIMES = (
    r"(?<![\d.])\d{4}([-/.])\d{1,2}\1\d{1,2}(?:(?:[T_ ]|,? at | - )+\d{1,2}[:.]?\d{2}(?:[:.]?\d{2})?(?:[.,]\d+)?)?"
    r"(?:\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?(?![\d.]\d)",
    r"(?<![\d./v-])(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d{2}(?![\d]|[./-]\d)",
    r"(?<![\d./v-])(?:0[1-9]|[12]\d|3[01])([-/.])(?:0[1-9]|[12]\d|3[01])\3\d{2}(?![\d]|[./-]\d)",
    r"(?<![\d:])\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s*(?:[ap]\.?m\b\.?|Z|UTC|GMT|Uhr|[+-]\d{2}:?\d{2}))?(?![\d:])",
    r"(?<!\w)\d{1,2}(?:\s?[ap]\.?m\b|\s?h\s?\d{2}\b|(?:[.:]\d{2})?\s?Uhr)",
    rf"(?<!\w)\d{{1,2}}(?:st|nd|rd|th|er|\.|º|ª)?[\s-]*(?:de\s+|of\s+)?(?:{_MONTHS})\b\.?(?:[\s,.'-]*(?:de[l]?\s+)?\d{{2,4}})?",
    rf"(?<!\w)(?:{_MONTHS})\b\.?[\s-]*(?:de[l]?\s+|of\s+)?\d{{1,4}}(?:st|nd|rd|th)?(?:,?[\s-]*\d{{4}})?(?:\s+\d{{1,2}}:\d{{2}}(?::\d{{2}})?\s+\d{{4}})?",
    rf"(?<!\w)(?:{_DAYS})(?!\w)",
    r"(?<!\d)(?:19|20)\d{6}(?:[T_-]?\d{4,6}(?:\d{3}|[.]\d+)?Z?)?(?![\d])",
    r"(?:(?:令和|平成)?\d{1,4}\s?[年년]\s?)?\d{1,2}\s?[月월]\s?\d{1,2}\s?[日号일]|\d{1,2}\s?[時点시時](?:\s?\d{1,2}\s?[分분])?",
    r"(?<!\d)(?:19|20)\d{2}-?W\d{2}(?:-?\d)?|\bQ[1-4][\s/-]*(?:19|20)\d{2}|(?:19|20)\d{2}[\s/-]*Q[1-4]\b",
    r"(?<![\w])(?:19|20)\d{2}[-/](?:0[1-9]|1[0-2])(?![\w/-])|(?<![\w/-])(?:0[1-9]|1[0-2])/(?:19|20)\d{2}(?!\w)",
    r"\b(?:year|day|week|date|as of|since|jahr|année|año)\b\W{0,4}(?:19|20)?\d{1,3}"
    r"(?:\W+(?:of|/)\W*(?:19|20)\d{2})?(?!\d)",
    r"\b\d+(?:\.\d+)?\s?(?:seconds?|secs?|minutes?|mins?|hours?|days?|weeks?)\s+(?:ago|since|old)\b",
)
_EPOCH = r"(?<![\w.])1\d{9}(?:\d{3}|\d{6}|\d{9}|\.\d{1,9})?(?![\w]|\.\d)"
_STRONG = (
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    r"(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{7,}(?:-[0-9a-fA-F]{4,})*",
    r"(?=[0-9A-Z]*\d)(?=[0-9A-Z]*[A-Z])[0-9A-HJKMNP-TV-Z]{20,}",
    r"(?:[A-Za-z]{1,12}[-_:])+(?:(?=[\w-]*\d)[\w-]{7,}|(?=\w*[a-z][A-Z]\w*[a-z][A-Z])\w{12,})",
    r"(?=[\w-]*\d\D*\d)(?=[\w-]*[A-Za-z][^A-Za-z]*[A-Za-z])(?!\d+[a-z]+\b)[A-Za-z0-9_-]{10,}",
    r"(?=[\w+/-]*\d)(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])[\w+/-]{16,}={0,2}",
    r"\d{14,}",
    r"(?:\d{1,3}\.){3}\d{1,3}",
)
_WEAK = r"(?:[A-Za-z]{1,6}[-_#/])?[A-Za-z]?\d[\w-]*"
_IDS = (
    "ids?|uuid|guid|request|req|session|sess|trace|span|nonce|hash|token|correlation|digest|etag|checksum|commit|sha|"
    "build|ticket|case|order|invoice|ref|reference|run|job|transaction|txn|salt|seed|key|thread|conversation|kennung|vorgang"
)
_COUNTS = "number|no|nr|count|counter|turn|attempt|try|step|page|iteration|index|version|left|total"
_PERSONS = (
    "name|username|user|customer|client|account|acct|member|patient|employee|contact|e-?mail|mail|phone|tel|address|"
    "dear|hello|hi|mr|mrs|ms|dr|prof|owner|subscriber|caller|guest|student|passenger|speaking with|talking to|"
    "speaking to|chatting with|assisting|helping|tenant|company|organi[sz]ation|birthday|born|"
    "kunde|kundin|kunden|benutzer|nutzer|nutzerin|herr|frau|konto|mitglied|firma|hallo|"
    "nom|prénom|utilisateur|utilisatrice|compte|bonjour|monsieur|madame|nombre|usuario|usuaria|cliente|cuenta|señor|señora|"
    "nome|utente|conto|signor|signora|conta|usuário|klant|naam|klient|imię|お客様|氏名|用户|客户|姓名|имя|клиент"
)
_EMAIL = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
_NAME = r"(?:[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’-]*[a-zß-ÿĀ-ž]|[A-Z]\.)"
_NAMES = rf"{_NAME}(?: +(?:(?:de|del|van|von|der|da|dos|di|la|le|bin|al|ten) +)*{_NAME})+"
_NUMBER = r"[-+]?[$€£¥]?\s?\d[\d.,_'\s]*(?:\s?%|[$€£¥])?"


@value
class Stretch:
    """The first stretch in which two texts differ: they are equal up to `start`, and go on alike behind both ends."""

    old: str
    new: str
    start: int
    old_end: int
    new_end: int


def cause_of(stretch: Stretch) -> Cause:
    """What kind of text it is; `TEXT` where nothing says so."""
    old, new = _side(stretch.old, stretch.start, stretch.old_end), _side(stretch.new, stretch.start, stretch.new_end)
    for cause, holds in _RULES:
        if holds(old, new):
            return cause
    if same_objects(stretch):
        return Cause.KEY_ORDER
    if _same_lines(stretch):
        return Cause.ORDER
    return Cause.TEXT


def same_objects(stretch: Stretch) -> bool:
    """Whether what differs is a JSON object in the text, with its members in another order."""
    head = stretch.new[: stretch.start]
    place = len(head)
    for _ in range(JSON_TRIES):
        place = head.rfind("{", 0, place)
        if place < 0:
            return False
        old, new = _object_at(stretch.old, place, stretch.start), _object_at(stretch.new, place, stretch.start)
        if old is not None and old == new:
            return True
    return False


@value
class _Side:
    """One of the two: a window of its text, and where in it what differs stands, widened to whole words."""

    text: str
    start: int
    end: int

    @property
    def said(self) -> str:
        return self.text[self.start : self.end]

    @property
    def lines(self) -> str:
        """The whole lines that it is in."""
        end = self.text.find("\n", self.end)
        return self.text[self.text.rfind("\n", 0, self.start) + 1 : end if end >= 0 else None]

    @property
    def before(self) -> str:
        """The line up to it, or the one before where it begins a line."""
        head = self.text[: self.start].rstrip()
        return head[head.rfind("\n") + 1 :]


def _side(text: str, start: int, end: int) -> _Side:
    end = min(end, start + AT_MOST)
    while start > 0 and _is_word(text[start - 1]) and (start == end or _is_word(text[min(start, len(text) - 1)])):
        start -= 1
    while end < len(text) and _is_word(text[end]) and (start == end or _is_word(text[end - 1])):
        end += 1
    first = max(0, start - AROUND)
    return _Side(text[first : end + AROUND], start - first, end - first)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


@cache
def _compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(pattern, flags)


@cache
def _time_pattern() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{part})" for part in _TIMES), re.IGNORECASE)


def _hit(pattern: re.Pattern[str], side: _Side) -> re.Match[str] | None:
    """A match that has a part of what differs."""
    for found in pattern.finditer(side.text):
        if found.start() < max(side.end, side.start + 1) and found.end() > side.start:
            return found
        if found.start() >= side.end:
            break
    return None


def _both(pattern: re.Pattern[str], old: _Side, new: _Side) -> bool:
    return _hit(pattern, old) is not None and _hit(pattern, new) is not None


def _is_passage(old: _Side, new: _Side) -> bool:
    """Several lines about somebody, or an address of theirs."""
    mail, person = _compiled(_EMAIL), _compiled(rf"(?im)^\W*(?:[\w-]+ )?(?:{_PERSONS})\b[^\n:]{{0,20}}:")
    if _both(mail, old, new):
        return True
    return all(len(person.findall(one.lines)) >= 2 for one in (old, new))


def _is_time(old: _Side, new: _Side) -> bool:
    return _both(_time_pattern(), old, new) or _is_epoch(old, new)


def _is_epoch(old: _Side, new: _Side) -> bool:
    """Two numbers as long as the seconds (or thousandths, …) since 1970 are now, and no year apart."""
    epoch = _compiled(_EPOCH)
    one, other = _hit(epoch, old), _hit(epoch, new)
    if one is None or other is None:
        return False
    first, second = one.group(), other.group()
    if len(first.partition(".")[0]) != len(second.partition(".")[0]):
        return False
    scale: float = 10.0 ** (len(first.partition(".")[0]) - 10)
    return abs(float(first) - float(second)) < EPOCH_SECONDS * scale


def _is_identifier(old: _Side, new: _Side) -> bool:
    strong = _compiled("|".join(f"(?<![A-Za-z0-9])(?:{part})(?![A-Za-z0-9])" for part in _STRONG))
    if _both(strong, old, new):
        return True
    return _label(new) == "id" and _both(_compiled(rf"(?<!\w){_WEAK}"), old, new)


def _is_person(old: _Side, new: _Side) -> bool:
    if _label(new) == "person":
        return True
    return _both(_compiled(_NAMES), old, new)


def _is_number(old: _Side, new: _Side) -> bool:
    number = _compiled(_NUMBER)
    return all(number.fullmatch(one.said.strip(" #()[]:;")) is not None for one in (old, new))


def _label(side: _Side) -> str:
    """What the nearest word before it, on its line, says that it is: `id`, `person`, `count`, or nothing known."""
    count = rf"(?:(?:{_IDS})\s)?(?:{_COUNTS})"
    kinds = rf"(?P<person>(?:{_PERSONS})(?:\s(?:{_COUNTS}|id))?)|(?P<count>{count})|(?P<id>{_IDS})"
    words = _compiled(rf"(?i)(?<![^\W_])(?:{kinds})(?![^\W_])")
    head = side.before[-60:]
    found = [*words.finditer(head)]
    if not found or found[-1].end() < len(head) - 24:
        return ""
    return found[-1].lastgroup or ""


def _same_lines(stretch: Stretch) -> bool:
    """Whether both are the same lines in another order."""
    return _lines(stretch.old) == _lines(stretch.new)


def _lines(text: str) -> Counter[str]:
    return Counter(line.strip() for line in text.split("\n") if line.strip())


def _object_at(text: str, place: int, until: int) -> Any:
    """The JSON object that begins there and reaches beyond `until`, or None."""
    try:
        found: Any
        found, end = json.JSONDecoder().raw_decode(text, place)
    except (ValueError, RecursionError):
        return None
    return found if found and end > until else None


_RULES: tuple[tuple[Cause, Callable[[_Side, _Side], bool]], ...] = (
    (Cause.PERSON, _is_passage),
    (Cause.TIMESTAMP, _is_time),
    (Cause.IDENTIFIER, _is_identifier),
    (Cause.PERSON, _is_person),
    (Cause.NUMBER, _is_number),
)
"""In this order: the sure ones first."""
