"""The rules that postern ships, edited the way an administrator would: where the directory is, who
we are there, what its base is called. Nothing else."""

import pathlib
import re

RULES = pathlib.Path(__file__).resolve().parents[2] / "rules"
FILES = {"slapd": "openldap", "389ds": "389ds", "samba": "active-directory"}


def rule(name, told):
    """The text of the rule for the directory that `servers.py` told of."""
    text = (RULES / f"{FILES[name]}.yaml").read_text()
    url = told["url"] if "starttls: true" in text else told["ldaps"]
    text = replace(text, r"(?m)^tenant_url: .*$", "tenant_url: TENANT_URL")
    text = replace(text, r"urls: \[[^]]*\]", f"urls: [{url}]")
    text = replace(text, r'dn: "[^"]*", password_file: \S*}',
                   f'dn: "{told["service_dn"]}", password_file: {told["password_file"]}}}')  # fmt: skip
    text = replace(text, r"# ca_file: ca\.pem", f"ca_file: {told['ca']}")
    return re.sub(r"DC=corp,DC=example,DC=com|dc=example,dc=com", told["base"], text)


def replace(text, pattern, by):
    """Replaces what must be there once."""
    text, count = re.subn(pattern, lambda _: by, text)
    assert count == 1, f"{pattern} is {count} times in the shipped rule"
    return text


def suitable(name, told):
    """The same for the foreign suites, which make userNames without any domain: that of Active
    Directory is not swapped then."""
    text = rule(name, told)
    if name == "samba":
        text = replace(text, r', swap: \{"@example\.com": "@corp\.example\.com"\}', "")
    return text
