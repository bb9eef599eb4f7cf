"""Croissant 1.1 metadata of a release (MLCommons), with what may be done with it as an ``odrl:Offer``."""

from __future__ import annotations

from typing import Final

from troth.core.manifest import Manifest
from troth.core.values import format_instant
from troth.core.written import Json
from troth.papers.facts import Facts, Released, party, purpose
from troth.papers.model_forms import WORDS
from troth.papers.paper import Field, Paper, Section, table

_SUFFIX: Final = ".parquet"
_COLUMNS: Final = (
    ("id", "sc:Text", "Id of the record"),
    ("category", "sc:Text", "Kind of the record"),
    ("created_at", "sc:DateTime", "When it was written, UTC"),
    ("author", "sc:Text", "Account of who wrote it"),
    ("title", "sc:Text", "Title, where it has one"),
    ("body", "sc:Text", "Text"),
)
_CONTEXT: Final[dict[str, Json]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "usageInfo": {"@id": "sc:usageInfo"},
}


def croissant(facts: Facts, release: Released, manifest: Manifest) -> Paper:
    """Metadata of a sealed release: files with their digests, columns, and the one use it was sealed for."""
    files = [one for one in manifest.files if one.name.endswith(_SUFFIX) and one.rows is not None]
    fields = (
        Field("name", "Release", release.release, entries=(release.entry,)),
        Field(
            "use",
            "The one use it was sealed for",
            f"{purpose(release.use.purpose)} by {party(release.use.recipient)}",
            entries=(release.entry,),
        ),
        Field(
            "rows", "Records", manifest.rows, entries=(release.entry,), query="rows of the signed manifest"
        ),
        Field(
            "members",
            "Members whose records are in it",
            manifest.members,
            entries=(release.entry,),
            query="members of the signed manifest",
        ),
        Field(
            "at",
            "As of",
            format_instant(manifest.at),
            entries=(release.entry,),
            note=f"What members had said in the first {manifest.settings_as_of:,} entries was honoured.",
        ),
        Field(
            "verdicts",
            "Records asked for, by answer",
            table(("Answer", "Records"), sorted(manifest.verdicts.items())),
            entries=(release.entry,),
            query="counts of the signed manifest",
        ),
        Field(
            "files",
            "Files",
            table(("File", "Records", "SHA-256"), [(one.name, one.rows or 0, one.sha256) for one in files]),
            entries=(release.entry,),
            query="files of the signed manifest",
        ),
        Field(
            "license",
            "License",
            blank="a release may be used for the one use it was sealed for; no license is recorded",
            entries=(release.entry,),
        ),
    )
    return Paper(
        "croissant",
        release.release,
        f"Metadata of the release {release.release}",
        "whoever may train on it, and their tools",
        "MLCommons Croissant 1.1; the permission as an ODRL offer",
        facts.stand,
        (Section("The data set", fields),),
        document=_document(facts, release, manifest),
        words=WORDS,
    )


def _document(facts: Facts, release: Released, manifest: Manifest) -> dict[str, Json]:
    files = [one for one in manifest.files if one.name.endswith(_SUFFIX) and one.rows is not None]
    said = f"{purpose(release.use.purpose)} by {party(release.use.recipient)}"
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": release.release,
        "description": f"A sealed release of Troth: the records that one use may have ({said}). {manifest.rows} records"
        f" of {manifest.members} members, as of {format_instant(manifest.at)}.",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "url": f"urn:troth:release:{manifest.release}",
        "version": "1.0.0",
        "datePublished": format_instant(manifest.created_at)[:10],
        "license": "urn:troth:terms#as-sealed",
        "creator": {"@type": "sc:Organization", "name": facts.stand.origin or "not known from the ledger"},
        "citeAs": f"Release {manifest.release}, manifest SHA-256 {release.manifest_digest}",
        "isLiveDataset": False,
        "usageInfo": {
            "@type": "odrl:Offer",
            "@id": f"urn:troth:release:{manifest.release}:offer",
            "odrl:permission": {
                "@type": "odrl:Permission",
                "odrl:target": {"@id": f"urn:troth:release:{manifest.release}"},
                "odrl:action": {"@id": f"urn:troth:purpose:{release.use.purpose}"},
                "odrl:assignee": {"@id": f"urn:troth:recipient:{release.use.recipient}"},
            },
            "odrl:prohibition": {
                "@type": "odrl:Prohibition",
                "odrl:target": {"@id": f"urn:troth:release:{manifest.release}"},
                "odrl:action": {"@id": "odrl:distribute"},
            },
        },
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": one.name,
                "name": one.name,
                "contentUrl": one.name,
                "encodingFormat": "application/x-parquet",
                "sha256": one.sha256,
                **({"contentSize": f"{one.size} B"} if one.size is not None else {}),
            }
            for one in files
        ],
        "recordSet": [_records(one.name, number, len(files)) for number, one in enumerate(files)],
    }


def _records(file: str, number: int, of: int) -> dict[str, Json]:
    name = "records" if of == 1 else f"records-{number}"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": "The rows: one record each.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "description": words,
                "dataType": kind,
                "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
            }
            for column, kind, words in _COLUMNS
        ],
    }
