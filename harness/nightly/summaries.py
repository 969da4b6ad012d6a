"""A nightly run for machines and inboxes: JUnit XML, Markdown, and a JSON feed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from harness.metrics.benchmarks import BENCHMARKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.history.series import Key
    from harness.nightly.findings import Finding
    from harness.nightly.night import Night
    from reports.sections.night_changes import News

SHOWN = 5


def junit(night: Night) -> str:
    """One test case a system and metric watched: failed where it regressed, an error where it was not measured."""
    suite = Xml.Element("testsuite", {"name": f"laconic-bench nightly {night.name}", "timestamp": night.created})
    of_key: dict[Key, list[Finding]] = {}
    for finding in night.findings:
        of_key.setdefault(finding.key, []).append(finding)
    failures = errors = skipped = 0
    for key in sorted({*night.watched, *of_key}):
        collection, system, metric = key
        case = Xml.SubElement(suite, "testcase", {"classname": f"{collection}.{system}", "name": metric})
        regressed = [finding for finding in of_key.get(key, []) if not finding.accepted]
        if regressed:
            failures += 1
            message = "; ".join(finding.sentence for finding in regressed)
            text = "\n".join(line for finding in regressed for line in details(finding))
            Xml.SubElement(case, "failure", {"message": _clean(message)}).text = _clean(text)
        elif key in of_key:
            skipped += 1
            reasons = dict.fromkeys(finding.accepted for finding in of_key[key])
            Xml.SubElement(case, "skipped", {"message": _clean(f"accepted: {'; '.join(reasons)}")})
    for label, reason in night.failed:
        errors += 1
        case = Xml.SubElement(suite, "testcase", {"classname": "measurement", "name": _clean(label)})
        Xml.SubElement(case, "error", {"message": _clean(reason)})
    counts = {"tests": len(suite), "failures": failures, "errors": errors, "skipped": skipped}
    suite.attrib |= {name: str(count) for name, count in counts.items()}
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def markdown(night: Night) -> str:
    """A summary for a job's page or a mail."""
    lines = [f"# {_safe(night.heading)}: {night.headline}", ""]
    for title, group in (
        ("Regressions", [f for f in night.findings if not f.accepted]),
        ("Accepted", [f for f in night.findings if f.accepted]),
    ):
        if group:
            lines += [f"## {title}", "", *(_item(finding) for finding in group), ""]
    if night.failed:
        lines += ["## Not measured", "", *(f"- {_safe(label)}: {_safe(reason)}" for label, reason in night.failed), ""]
    for since in night.news:
        lines += [f"## Since {since.title}", "", *_changes(since), ""]
    lines += [f"- {_safe(note)}" for note in night.notes]
    return "\n".join(lines).rstrip() + "\n"


def feed(night: Night, earlier: str) -> str:
    """JSON Feed 1.1 with this night's item first; at most 60 items.

    Args:
        night: Tonight.
        earlier: The feed as it was, "" where there is none yet.
    """
    try:
        items = [item for item in json.loads(earlier)["items"] if item["id"] != night.id][:59] if earlier else []
    except (ValueError, KeyError, TypeError, RecursionError):
        items = []
    item = {
        "id": night.id,
        "title": f"{night.name}: {night.headline}",
        "date_published": night.created,
        "content_text": markdown(night),
        "tags": [night.state],
        "_regressions": [
            {"collection": f.key[0], "system": f.key[1], "metric": f.key[2], "kind": f.kind, "first_revision": f.first}
            for f in night.findings
            if not f.accepted
        ],
    }
    body = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": night.heading,
        "items": [item, *items],
    }
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def details(finding: Finding) -> Sequence[str]:
    """The sentence, the revisions to look at, the queries that moved."""
    lines = [finding.sentence]
    if finding.first and finding.last and finding.first != finding.last:
        lines.append(f"look at: git log {finding.last[:10]}..{finding.first[:10]}")
        if finding.key[2] in BENCHMARKS:
            lines.append("measure it: time it by pyperf with both, and laconic-bench compare BEFORE.json AFTER.json")
        else:
            lines.append(f"measure it: laconic-bench compare {finding.last[:10]} {finding.first[:10]} --spec SPEC")
    lines += [f"{query}: {before:.4f} to {after:.4f}" for query, before, after in finding.queries[:SHOWN]]
    if len(finding.queries) > SHOWN:
        lines.append(f"and {len(finding.queries) - SHOWN} more queries")
    return lines


def _item(finding: Finding) -> str:
    first, *rest = details(finding)
    reason = f" Accepted: {_safe(finding.accepted)}" if finding.accepted else ""
    return "\n".join([f"- **{_safe(first)}**{reason}", *(f"  - {_safe(line)}" for line in rest)])


def _changes(since: News) -> Iterator[str]:
    """What all systems share, then the changes beyond noise by system; those within it are counted."""
    if since.machine:
        yield f"- {_safe(since.machine)}"
    for name, sentences in since.systems:
        yield f"- **{_safe(name)}**"
        yield from (f"  - {_safe(text)}" for text in sentences)
    if since.folded:
        yield f"- {since.folded} change{'s' if since.folded > 1 else ''} within the noise"
    elif not (since.machine or since.systems):
        yield "- nothing changed"


def _safe(text: str) -> str:
    """No line breaks and no markup out of names."""
    text = " ".join(text.split())
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, "\\" + sign)
    return text


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
