"""What an attacker writes into addresses and fields."""

from __future__ import annotations

import random
import string

PATHS = (
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "%2e%2e%2f%2e%2e%2fsecret.txt", "..%5c..%5csecret.txt",
    "/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "file:///etc/passwd", "secret.txt%00.jpg", "%00", "~00", "~2E~2E~2Fsecret.txt",
    "~2Fetc~2Fpasswd", "....//....//secret.txt", "..;/secret.txt", "%c0%ae%c0%ae%c0%afsecret.txt", "%252e%252e%252fsecret.txt",
    "C:%5cWindows%5cwin.ini", "%ff%fe", "~FF~FE", "~", "~~", ".", "..", "link", "{{7*7}}", "${jndi:ldap://x}", "%0d%0aSet-Cookie:%20a=b",
)  # fmt: skip
"""Written as they stand in a request line."""

SIGNS = (
    "'", '"', "`", "''", "' OR '1'='1", "'; DROP TABLE label; --", '" OR ""="',
    "1) OR (1=1", "%", "_", "%%", "\\", "\\%", "*", "car*", "**",
    "AND", "OR", "NOT", "NEAR", "NEAR/3", "car OR", "OR car", "NOT", "- car", "-", "--", "/*", "*/",
    "car) OR (dog", "(((((", ")))))", "()",
    '"car', 'car"', '"car dog"', '""', "^car", "label:car", "words : car", "{car dog}", "car + dog", "+", "car AND AND dog",
    "car:*",
    "car & dog",
    "car | dog", "!car", "<->", "car <2> dog", ":*", "\0", "car\0dog", "\x01\x02", "\t\r\n", "\u202e", "\u2028",
    "\ufeff", "\ufffe", "é", "ﬁ",
    "İ", "ß", "ǅ", "\U0001f697", "\u0301", "a\u0301" * 50, "汽车", "車", "عربة", "машина", "-" * 300, "(" * 300, '"' * 301, "*" * 300,
    "a" * 400, "NOT " * 80, "$1", ":name", "?", "%s", "%(x)s", "{0}", "\\x00", "\\u0000", "NULL", "nan", "inf", "-inf", "1e999", "0x10",
    "true", "[]", "{}", '{"$ne": null}', "<script>", "../..", "latest", "-1", "99999999999999999999", "1;2", "1 2", " ", "   ", "",
)  # fmt: skip


def strings(count: int = 200, seed: int = 0) -> list[str]:
    """At least the listed ones, filled up with mixtures of their parts."""
    drawn = random.Random(seed)
    found = list(dict.fromkeys(SIGNS))
    letters = "".join(SIGNS[:48]) + string.printable + "éßİ車\u0301\u202e"
    while len(found) < count:
        found.append("".join(drawn.choice(letters) for _ in range(drawn.randint(1, 60))))
    return found[:count]
