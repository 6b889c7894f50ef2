#!/usr/bin/env python3
"""Makes a C file of an HTML page and of the Content-Security-Policy that fits it.

embed_page.py PAGE OUT: the page must hold exactly one style and one script, both inline; the policy
names them by their SHA-256 and allows nothing else but requests to the server it came from.
"""
import base64
import hashlib
import pathlib
import re
import sys

BYTES_A_LINE = 20


def source_of(html, tag):
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.S)
    if len(found) != 1 or len(re.findall(rf"<{tag}\b", html)) != 1:
        sys.exit(f"embed_page: the page needs one <{tag}> without attributes")
    digest = hashlib.sha256(found[0].encode()).digest()
    return "'sha256-" + base64.b64encode(digest).decode() + "'"


def main(page, out):
    html = pathlib.Path(page).read_text(encoding="utf-8")
    for pattern, what in ((r"<[a-z][^>]*\s(style|on\w+)\s*=", "an inline style or handler"),
                          (r"(src|href)\s*=\s*\"(?!data:,\")", "an external asset"),
                          (r"https?://", "an address")):
        if re.search(pattern, html):
            sys.exit(f"embed_page: the page holds {what}")
    policy = "; ".join((
        "default-src 'none'", f"script-src {source_of(html, 'script')}",
        f"style-src {source_of(html, 'style')}", "img-src data:", "connect-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"))
    octets = html.encode()
    rows = [", ".join(map(str, octets[i:i + BYTES_A_LINE])) + ","
            for i in range(0, len(octets), BYTES_A_LINE)]
    pathlib.Path(out).write_text(
        '#include "service/observe/page.h"\n\nconst uint8_t page_html[] = {\n' + "\n".join(rows)
        + f'\n}};\nconst size_t page_html_len = sizeof(page_html);\n'
        f'const char page_policy[] = "{policy}";\n', encoding="ascii")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
