# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
"""The cases of verdict-test: states of a machine's variables, and the images that firmware or shim has to judge in each.

Each case has its own certificates, so that one boot answers many cases. A case is marked `depends` if firmware may answer
either way: ORDER where EDK2 as released and the order that edk2 is moving to (its issue 12107) differ, AGE where
OVMF of Debian 12, 13 and sid differ."""
import hashlib
import os
import struct

import verdict_forms as forms
from verdict_forms import (CODE_SIGNING, MODULE_SIGNING, TIME_STAMPING, Certificate, certificate_hash_list,
                           certificate_lists, entry, image_digest, pad, sign, signature, signature_list, with_table)

ORDER = "the order of checks"
AGE = "the firmware's age"
PLACES = ["none", "hash", "root", "inter", "leaf"]
EXPIRED, FUTURE = ("20100101000000Z", "20120101000000Z"), ("20480101000000Z", "20490101000000Z")
SBAT_LINE = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n"
SBAT = SBAT_LINE + "verdict,4,Test,verdict,1,test\n"


class Case:
    def __init__(self, name, image, via, depends, directory, anchor):
        self.name, self.image, self.via, self.depends = name, image, via, depends
        # The directory of shim, and the certificate that peers are asked about.
        self.directory, self.anchor = directory, anchor


class State:
    """db, dbx, dbt, mok and mokx are the bytes of these variables; those without bytes do not exist."""

    def __init__(self, name, note):
        self.name, self.note, self.cases = name, note, []
        self.db = self.dbx = self.dbt = self.mok = self.mokx = b""
        self.enabled, self.owned = True, True
        # With Secure Boot off, everything starts, and the verdict is about a start with Secure Boot on: about this state.
        self.as_in = None
        # Lists that virt-fw-vars cannot read, such as those with several certificates; MokListRT in several variables.
        self.odd_lists = False
        # Other variables of shim; what an operating system sees instead of what the boot leaves; files beside shim.
        self.shim_variables, self.seen, self.beside = {}, {}, {}

    def add(self, name, image, via="firmware", depends=None, directory="s", anchor=None):
        assert all(name != case.name for case in self.cases), name
        self.cases.append(Case(name, image, via, depends, directory, anchor))

    def shim(self, name, image, **options):
        self.add(name, image, via="shim", **options)

    def trust(self, *certificates):
        self.db += certificate_lists(*certificates)

    def revoke(self, *certificates):
        self.dbx += certificate_lists(*certificates)


class Corpus:
    """All states. `keys` may exist from an earlier run; `certificates` gets the certificates."""

    def __init__(self, keys, certificates, code, shim):
        self.keys, self.certificates, self.code, self.shim, self.states = keys, certificates, code, shim, []
        for directory in (keys, certificates):
            os.makedirs(directory, exist_ok=True)
        self.owner = self.certificate("pk")
        self.control = self.certificate("control")
        self.good = self.certificate("good", usages=[CODE_SIGNING])
        self.stranger = self.certificate("stranger")

    # --- parts ---

    def certificate(self, name, issuer=None, **options):
        return Certificate(self.keys, self.certificates, name, issuer, **options)

    def chain(self, name, **options):
        root = self.certificate(name + "-root", ca=True, **options)
        inter = self.certificate(name + "-inter", root, ca=True, **options)
        leaf = self.certificate(name + "-leaf", inter, usages=[CODE_SIGNING], **options)
        return {"root": root, "inter": inter, "leaf": leaf}

    def program(self, name, sbat=None, sections=()):
        if sbat is not None:
            sections = [(".sbat", sbat if isinstance(sbat, bytes) else sbat.encode()), *sections]
        return pad(forms.program(self.code, name, sections))

    def stage(self, name, sbat=SBAT, **options):
        """A program for shim to start."""
        return self.program(name, sbat=sbat, **options)

    def state(self, name, note):
        """A state whose firmware trusts the program that writes the variables."""
        state = State(name, note)
        state.trust(self.control)
        self.states.append(state)
        return state

    def shim_state(self, name, note):
        """A state whose firmware starts shim, by its digest, and whose shim starts a program after a rejection, which
        takes the place of MokManager."""
        state = self.state(name, note)
        refused = self.stage("refused", sbat=SBAT_LINE)
        state.db += signature_list("sha256", image_digest(self.shim), image_digest(refused))
        state.mok += signature_list("sha256", image_digest(refused))
        state.beside["s"] = {"shimx64.efi": self.shim, "mmx64.efi": refused}
        return state

    # --- states of the firmware ---

    def matrix(self):
        for dbx in PLACES:
            state = self.state("matrix-dbx-" + dbx, "db by five kinds, dbx by " + dbx)
            state.trust(self.good)
            allowed, forbidden = [], []
            for db in PLACES:
                chain = self.chain("m-%s-%s" % (db, dbx))
                if db in chain:
                    state.trust(chain[db])
                if dbx in chain:
                    state.revoke(chain[dbx])
                for kind, signers in [("unsigned", []), ("once", [chain["leaf"]]), ("twice", [chain["leaf"], self.good]),
                                      ("twice-other-order", [self.good, chain["leaf"]])]:
                    name = "db-%s-dbx-%s-%s" % (db, dbx, kind)
                    image = self.program(name)
                    if db == "hash":
                        allowed.append(image_digest(image))
                    if dbx == "hash":
                        forbidden.append(image_digest(image))
                    # As released, a signature under a certificate in dbx rejects the image.
                    revoked = signers and dbx in chain
                    state.add(name, sign(image, *signers) if signers else image,
                              depends=ORDER if revoked and (db == "hash" or self.good in signers) else None,
                              anchor=chain[db] if db in chain and dbx == "none" and signers else None)
            state.db += signature_list("sha256", *allowed) if allowed else b""
            state.dbx += signature_list("sha256", *forbidden) if forbidden else b""

    def algorithms(self):
        state = self.state("algorithms", "digests of signatures and of list entries; kinds of keys")
        signer = self.certificate("algorithms")
        state.trust(signer)
        state.dbx += signature_list("sha256", hashlib.sha256(b"nothing").digest())
        for digest in ["md5", "sha1", "sha256", "sha384", "sha512"]:
            name = "signature-" + digest
            state.add(name, sign(self.program(name), signer, digest=digest), anchor=signer)
        # Debian 12's OVMF looks up only the SHA-256 digest of an unsigned image.
        for digest in ["sha1", "sha224", "sha256", "sha384", "sha512"]:
            name = "unsigned-db-" + digest
            image = self.program(name)
            state.db += signature_list(digest, image_digest(image, digest))
            state.add(name, image, depends=None if digest in ["sha224", "sha256"] else AGE)
        for digest in ["sha1", "sha384", "sha512"]:
            name = "unsigned-db-sha256-dbx-" + digest
            image = self.program(name)
            state.db += signature_list("sha256", image_digest(image))
            state.dbx += signature_list(digest, image_digest(image, digest))
            state.add(name, image, depends=AGE)
        # As released, a signed image's digest is looked up in the signature's algorithm only.
        for used, listed in [("sha256", "sha384"), ("sha384", "sha256"), ("sha384", "sha384"), ("sha512", "sha512"),
                             ("sha512", "sha256")]:
            depends = None if used == listed else ORDER
            name = "stranger-%s-db-%s" % (used, listed)
            image = self.program(name)
            state.db += signature_list(listed, image_digest(image, listed))
            state.add(name, sign(image, self.stranger, digest=used), depends=depends)
            name = "good-%s-dbx-%s" % (used, listed)
            image = self.program(name)
            state.dbx += signature_list(listed, image_digest(image, listed))
            state.add(name, sign(image, signer, digest=used), depends=depends)
        image = self.program("sha256-and-sha384-dbx-sha384")
        state.dbx += signature_list("sha384", image_digest(image, "sha384"))
        state.add("sha256-and-sha384-dbx-sha384", with_table(image, entry(signature(image, signer)), entry(
            signature(image, signer, digest="sha384"))))

        for name, options in [("signer-other-digest", {"signer_digest": "sha384"}),
                              ("declared-other-digest", {"declared": "sha384"}),
                              ("digest-of-another-image", {"content_digest": hashlib.sha256(b"x").digest()}),
                              ("changed-signature", {"changed": True})]:
            state.add(name, sign(self.program(name), signer, **options), anchor=signer)
        image = self.program("changed-then-good")
        state.add("changed-then-good", with_table(image, entry(signature(image, signer, changed=True)), entry(
            signature(image, signer))))
        image = self.program("good-then-changed")
        state.add("good-then-changed", with_table(image, entry(signature(image, signer)), entry(
            signature(image, signer, changed=True))))
        image = sign(self.program("changed-after-signing"), signer)
        state.add("Changed-after-signing", image.replace(b"changed-after-signing", b"Changed-after-signing"), anchor=signer)
        for kind in ["rsa1024", "rsa3072", "rsa4096", "p-256", "p-384"]:
            name = "key-" + kind
            certificate = self.certificate(name, kind=kind)
            state.trust(certificate)
            state.add(name, sign(self.program(name), certificate), depends=None if kind.startswith("rsa") else AGE,
                      anchor=certificate)
        curve = self.certificate("curve-in-dbx", kind="p-256")
        state.revoke(curve)
        state.add("curve-in-dbx-then-good", sign(self.program("curve-in-dbx-then-good"), curve, signer), depends=AGE)
        for digest in ["sha1", "sha384", "sha512"]:
            name = "certificate-" + digest
            root = self.certificate(name + "-root", ca=True, digest=digest)
            state.trust(root)
            state.add(name, sign(self.program(name), self.certificate(name, root, digest=digest)), anchor=root)

    def chains(self):
        state = self.state("chains", "validity, purposes and issuers of certificates")
        for name, options in [("expired", {"valid": EXPIRED}), ("not-yet-valid", {"valid": FUTURE}),
                              ("usage-module", {"usages": [MODULE_SIGNING]}),
                              ("usage-code-and-module", {"usages": [CODE_SIGNING, MODULE_SIGNING]}),
                              ("usage-time", {"usages": [TIME_STAMPING]}),
                              ("self-signed-ca", {"ca": True}), ("self-signed-without-constraints", {"ca": None})]:
            certificate = self.certificate("d-" + name, **options)
            state.trust(certificate)
            state.add(name, sign(self.program(name), certificate), anchor=certificate)
        for name, options, leaf_options in [
                ("expired-chain", {"ca": True, "valid": EXPIRED}, {"valid": EXPIRED}),
                ("issuer-without-ca", {"ca": False}, {}), ("issuer-without-constraints", {"ca": None}, {})]:
            root = self.certificate("d-%s-root" % name, **options)
            leaf = self.certificate("d-%s-leaf" % name, root, **leaf_options)
            state.trust(root)
            state.add(name, sign(self.program(name), leaf), anchor=root)
        for name, place, included in [("root-in-db", "root", ["inter", "leaf"]), ("inter-in-db", "inter", ["inter", "leaf"]),
                                      ("inter-missing", "root", ["leaf"]), ("inter-only-in-db", "inter", ["leaf"]),
                                      ("root-included", "root", ["root", "inter", "leaf"]),
                                      ("leaf-missing", "leaf", []), ("leaf-missing-inter-included", "root", ["inter"])]:
            chain = self.chain("d-" + name)
            state.trust(chain[place])
            state.add(name, sign(self.program(name), chain["leaf"], certificates=[chain[part] for part in included]),
                      anchor=chain[place])
        # Roots of two names share no trust, and dbx with one of them does not harm the other.
        root = self.certificate("d-two-roots", ca=True)
        state.trust(root)
        state.revoke(self.certificate("d-two-roots-other", ca=True))
        state.add("other-root-in-dbx", sign(self.program("other-root-in-dbx"), self.certificate("d-two-roots-leaf", root)))

    def certificate_hashes(self):
        state = self.state("certificate-hashes", "digests of certificates in dbx, with dates; time stamps; dbt")
        root, foreign = self.certificate("h-tsa-root", ca=True), self.certificate("h-tsa-foreign-root", ca=True)
        stamps = {
            "plain": None,
            "stamped": forms.TimeStamper(self.certificates, self.certificate("h-tsa", root, usages=[TIME_STAMPING])),
            "foreign": forms.TimeStamper(self.certificates, self.certificate("h-tsa-foreign", foreign, usages=[TIME_STAMPING]))}
        state.dbt = certificate_lists(root)
        for digest, place, when, stamp in [
                *[("sha256", place, when, stamp) for place in ("root", "inter", "leaf")
                  for when in ("always", "past", "future") for stamp in ("plain", "stamped")],
                ("sha256", "root", "future", "foreign"), ("sha256", "leaf", "future", "foreign"),
                *[(digest, "leaf", when, stamp) for digest in ("sha384", "sha512")
                  for when, stamp in (("always", "plain"), ("past", "stamped"), ("future", "plain"), ("future", "stamped"))]]:
            name = "dbx-%s-%s-%s-%s" % (place, digest, when, stamp)
            chain = self.chain("h-" + name)
            state.trust(chain["inter" if place == "leaf" else "root"])
            date = {"always": None, "past": "2020-01-01", "future": "2048-01-01"}[when]
            state.dbx += certificate_hash_list(digest, chain[place], date)
            state.add(name, sign(self.program(name), chain["leaf"], stamp=stamps[stamp]))
        chain = self.chain("h-db-leaf")
        state.trust(chain["leaf"])
        state.dbx += certificate_hash_list("sha256", chain["root"])
        state.add("db-leaf-dbx-root-hash", sign(self.program("db-leaf-dbx-root-hash"), chain["leaf"]))
        revoked = self.certificate("h-revoked")
        state.trust(self.good)
        state.dbx += certificate_hash_list("sha256", revoked)
        state.add("revoked-then-good", sign(self.program("revoked-then-good"), revoked, self.good), depends=ORDER)
        state.add("good-then-revoked", sign(self.program("good-then-revoked"), self.good, revoked), depends=ORDER)
        image = self.program("revoked-hash-in-db")
        state.db += signature_list("sha256", image_digest(image))
        state.add("revoked-hash-in-db", sign(image, revoked), depends=ORDER)
        certificate = self.certificate("h-only-hash")
        state.db += certificate_hash_list("sha256", certificate)
        state.add("certificate-hash-in-db", sign(self.program("certificate-hash-in-db"), certificate))
        certificate = self.certificate("h-whole")
        state.trust(certificate)
        state.dbx += signature_list("x509-sha256", hashlib.sha256(certificate.data).digest() + bytes(16))
        state.add("digest-of-whole-certificate", sign(self.program("digest-of-whole-certificate"), certificate))

    def tables(self):
        state = self.state("tables", "forms of the certificate table")
        signer = self.certificate("tables")
        state.trust(signer)

        def add(name, make):
            image = self.program(name)
            state.add(name, make(image, entry(signature(image, signer))), anchor=signer)
        add("plain", with_table)
        add("eight-zeros-in-table", lambda image, good: with_table(image, good, bytes(8)))
        add("sixteen-zeros-in-table", lambda image, good: with_table(image, good, bytes(16)))
        add("eight-zeros-after-table", lambda image, good: with_table(image, good, trailing=bytes(8)))
        add("text-after-table", lambda image, good: with_table(image, good, trailing=b"more data"))
        add("size-past-the-file", lambda image, good: with_table(image, good, size=len(good) + 4096))
        add("size-eight-past-the-file", lambda image, good: with_table(image, good, size=len(good) + 8))
        add("size-eight-less", lambda image, good: with_table(image, good, size=len(good) - 8))
        add("size-eight", lambda image, good: with_table(image, good, size=8))
        add("size-zero", lambda image, good: with_table(image, good, size=0))

        def unaligned(image, good):
            data = signature(image, signer)
            data += bytes(len(data) % 8 == 0)
            return with_table(image, entry(data, padded=False))
        add("end-not-aligned", unaligned)
        add("length-with-padding", lambda image, good: with_table(image, struct.pack("<I", len(good)) + good[4:]))
        for length in [0, 4, 8, 0xfffffff8]:
            add("then-length-%x" % length, lambda image, good: with_table(image, good, entry(bytes(16), length=length)))
        for kind in [0x0001, 0x0003, 0x0ef0, 0xffff]:
            add("kind-%04x-before" % kind, lambda image, good: with_table(image, entry(bytes(24), kind), good))
            add("kind-%04x-after" % kind, lambda image, good: with_table(image, good, entry(bytes(24), kind)))
        other = entry(forms.OWNER + bytes(24), 0x0ef1)
        add("kind-0ef1-other-before", lambda image, good: with_table(image, other, good))
        add("kind-0ef1-other-after", lambda image, good: with_table(image, good, other))
        add("kind-0ef1-short", lambda image, good: with_table(image, good, entry(forms.OWNER, 0x0ef1)))
        for name, wrapped in [("kind-0ef1-pkcs7", True), ("kind-0ef1-pkcs7-not-wrapped", False)]:
            add(name, lambda image, good: with_table(image, entry(forms.PKCS7_GUID + signature(
                image, signer, wrapped=wrapped), 0x0ef1)))
        add("kind-0001-only", lambda image, good: with_table(image, entry(signature(image, signer), 1)))
        for revision in [0, 0x0100]:
            add("revision-%04x" % revision, lambda image, good: with_table(image, entry(
                signature(image, signer), revision=revision)))
        add("not-wrapped", lambda image, good: with_table(image, entry(signature(image, signer, wrapped=False))))
        add("nested-good", lambda image, good: with_table(image, entry(signature(image, self.stranger, nested=[
            signature(image, signer)]))))
        add("nested-stranger", lambda image, good: with_table(image, entry(signature(image, signer, nested=[
            signature(image, self.stranger, digest="sha384")]))))
        add("twice-the-same", lambda image, good: with_table(image, good, good))
        garbage = entry(b"\x30\x82" + bytes(62))
        add("garbage-then-good", lambda image, good: with_table(image, garbage, good))
        add("good-then-garbage", lambda image, good: with_table(image, good, garbage))
        add("short-then-good", lambda image, good: with_table(image, entry(b"\x30\x03\x02\x01\x00"), good))
        add("forty-strangers-then-good", lambda image, good: with_table(
            image, *[entry(signature(image, self.stranger))] * 40, good))

        # A file whose size is not a multiple of eight.
        def odd(name):
            return forms.program(self.code, name) + b"\1\1\1"
        image = odd("odd-size-hash-in-db")
        state.db += signature_list("sha256", image_digest(image))
        state.add("odd-size-hash-in-db", image)
        image = odd("odd-size-padded-hash-in-db")
        state.db += signature_list("sha256", image_digest(pad(image)))
        state.add("odd-size-padded-hash-in-db", image)
        image = odd("odd-table-start")
        state.add("odd-table-start", forms.append_table(image, entry(signature(image, signer))), anchor=signer)
        state.add("odd-size-padded-then-signed", sign(odd("odd-size-padded-then-signed"), signer), anchor=signer)

        # The digest is in db, and the table has no good signature.
        def hashed(name, make, depends=None):
            image = self.program(name)
            state.db += signature_list("sha256", image_digest(image))
            state.add(name, make(image), depends=depends)
        hashed("hash-in-db-stranger", lambda image: sign(image, self.stranger))
        hashed("hash-in-db-changed-signature", lambda image: sign(image, self.stranger, changed=True))
        hashed("hash-in-db-size-zero", lambda image: with_table(image, size=0))
        hashed("hash-in-db-kind-0001", lambda image: with_table(image, entry(bytes(24), 1)), ORDER)
        hashed("hash-in-db-kind-0ef0", lambda image: with_table(image, entry(bytes(24), 0xef0)), ORDER)
        hashed("hash-in-db-garbage", lambda image: with_table(image, garbage), ORDER)
        hashed("hash-in-db-empty-entry", lambda image: with_table(image, entry(b"", length=8)), ORDER)
        hashed("hash-in-db-md5", lambda image: sign(image, self.stranger, digest="md5"), ORDER)
        hashed("hash-in-db-sha1", lambda image: sign(image, self.stranger, digest="sha1"), ORDER)
        hashed("hash-in-db-not-wrapped", lambda image: with_table(image, entry(
            signature(image, self.stranger, wrapped=False))), ORDER)
        hashed("hash-in-db-zeros-in-table", lambda image: with_table(
            image, entry(signature(image, self.stranger)), bytes(8)), ORDER)

    def lists(self):
        state = self.state("lists", "forms of lists in db and dbx")
        state.odd_lists = True

        def single(name, make):
            certificate = self.certificate("l-" + name)
            state.db += make(certificate)
            state.add(name, sign(self.program(name), certificate))
        several = [self.certificate("l-list-" + number) for number in ("one", "two", "six")]
        state.db += signature_list("x509", *[certificate.data for certificate in several])
        for number, certificate in enumerate(several, 1):
            name = "certificate-%d-of-a-list" % number
            state.add(name, sign(self.program(name), certificate))
        single("after-unknown-list", lambda found: signature_list("unknown", bytes(40)) + certificate_lists(found))
        single("after-rsa2048-list", lambda found: signature_list("rsa2048", bytes(256)) + certificate_lists(found))
        single("list-with-header", lambda found: signature_list("x509", found.data, header=bytes(16)))
        single("certificate-and-a-byte", lambda found: signature_list("x509", found.data + b"\0"))
        single("certificate-cut", lambda found: signature_list("x509", found.data[:-1]))
        single("in-sha256-list", lambda found: signature_list("sha256", found.data[:32]))
        single("after-garbage-certificate", lambda found: signature_list("x509", bytes(300)) + certificate_lists(found))
        image = self.program("hash-in-list-with-header")
        state.db += signature_list("sha256", image_digest(image), header=bytes(8))
        state.add("hash-in-list-with-header", image)

        def revoked(name, make):
            certificate = self.certificate("l-" + name)
            state.trust(certificate)
            image = self.program(name)
            state.dbx += make(certificate, image_digest(image))
            state.add(name, sign(image, certificate))
        revoked("dbx-hash-2-of-a-list", lambda found, digest: signature_list("sha256", bytes(32), digest, bytes(32)))
        other = self.certificate("l-dbx-number-1-of-a-list")
        revoked("dbx-number-2-of-a-list", lambda found, digest: signature_list("x509", other.data, found.data))
        revoked("dbx-after-unknown-list",
                lambda found, digest: signature_list("unknown", bytes(40)) + certificate_lists(found))
        revoked("dbx-list-with-header", lambda found, digest: signature_list("x509", found.data, header=bytes(16)))
        revoked("dbx-certificate-and-a-byte", lambda found, digest: signature_list("x509", found.data + b"\0"))

    def damaged(self):
        """Variables that the firmware would not accept from an operating system, but that a store may have."""
        first, second, bad = [self.certificate("x-" + name) for name in ("first", "second", "bad")]
        images = {name: self.program(name) for name in ("unsigned", "hash-in-db", "first", "second", "bad", "hash-in-dbx",
                                                        "stranger")}
        one, two, revoked = certificate_lists(first), certificate_lists(second), certificate_lists(bad)
        allowed = signature_list("sha256", image_digest(images["hash-in-db"]))
        forbidden = signature_list("sha256", image_digest(images["hash-in-dbx"]))
        too_long = signature_list("sha256", bytes(32), size=100000)
        uneven = signature_list("sha256", bytes(37), signature_size=48)
        for name, db, dbx in [
                ("no-dbx", one + two + allowed, b""),
                ("dbx-whole", one + two + allowed, forbidden + revoked),
                ("db-then-text", one + two + allowed + b"trailing bytes", b""),
                ("db-cut", one + allowed + two[:-100], b""),
                ("db-too-long", one + too_long + two + allowed, b""),
                ("db-uneven", one + uneven + two + allowed, b""),
                ("dbx-then-text", one + two + allowed, forbidden + revoked + b"trailing bytes"),
                ("dbx-cut", one + two + allowed, forbidden + revoked[:-100]),
                ("dbx-garbage", one + two + allowed, b"\xee" * 100),
                ("dbx-short", one + two + allowed, b"\xee" * 5),
                ("dbx-too-long", one + two + allowed, too_long + forbidden + revoked),
                ("dbx-uneven", one + two + allowed, uneven + forbidden + revoked),
                ("dbx-garbage-certificate", one + two + allowed, signature_list("x509", bytes(300)) + forbidden + revoked)]:
            state = self.state("damaged-" + name, "damaged lists")
            state.odd_lists = True
            state.trust(bad)
            state.db += db
            state.dbx = dbx
            for case, signer in [("unsigned", None), ("hash-in-db", None), ("first", first), ("second", second),
                                 ("bad", bad), ("hash-in-dbx", first), ("stranger", self.stranger)]:
                state.add(case, sign(images[case], signer) if signer else images[case])

    def modes(self):
        for name, note in [("on", "Secure Boot switched on"), ("off", "Secure Boot switched off"),
                           ("setup", "no PK: Setup Mode"), ("no-db", "db does not exist")]:
            state = State("mode-" + name, note)
            self.states.append(state)
            state.enabled, state.owned = name != "off", name != "setup"
            state.as_in = "mode-on" if name in ("off", "setup") else None
            if name != "no-db":
                state.trust(self.control, self.good)
            for case, signer in [("unsigned", None), ("good", self.good), ("stranger", self.stranger)]:
                state.add(case, sign(self.program(case), signer) if signer else self.program(case))

    # --- states of shim ---

    def shim_trust(self):
        state = self.shim_state("shim", "db, dbx, MokList and MokListX")
        state.odd_lists = True
        state.trust(self.good)
        state.shim("unsigned", self.stage("unsigned"))
        state.shim("stranger", sign(self.stage("stranger"), self.stranger))
        state.shim("db", sign(self.stage("db"), self.good))
        for name, options in [("mok", {}), ("mok-expired", {"valid": EXPIRED}), ("mok-not-yet-valid", {"valid": FUTURE}),
                              ("mok-curve", {"kind": "p-256"}), ("mok-usage-module", {"usages": [MODULE_SIGNING]}),
                              ("mok-usage-code-and-module", {"usages": [CODE_SIGNING, MODULE_SIGNING]}),
                              ("mok-usage-code", {"usages": [CODE_SIGNING]}),
                              ("mok-usage-time", {"usages": [TIME_STAMPING]})]:
            certificate = self.certificate("s-" + name, **options)
            state.mok += certificate_lists(certificate)
            state.shim(name, sign(self.stage(name), certificate))
        certificate = self.certificate("s-db-module", usages=[MODULE_SIGNING])
        state.trust(certificate)
        state.shim("db-usage-module", sign(self.stage("db-usage-module"), certificate))
        for digest in ["sha1", "sha384", "sha512"]:
            state.shim("signature-" + digest, sign(self.stage("signature-" + digest), self.good, digest=digest))
        state.shim("signer-sha384", sign(self.stage("signer-sha384"), self.good, signer_digest="sha384"))
        image = self.stage("sha384-then-sha256")
        state.shim("sha384-then-sha256", with_table(image, entry(signature(image, self.good, digest="sha384")), entry(
            signature(image, self.good))))
        for place in ["root", "inter", "leaf"]:
            chain = self.chain("s-" + place)
            state.trust(chain[place])
            state.shim("db-" + place, sign(self.stage("db-" + place), chain["leaf"]))
        chain = self.chain("s-mok-inter")
        state.mok += certificate_lists(chain["inter"])
        state.shim("mok-inter", sign(self.stage("mok-inter"), chain["leaf"]))
        one, two = self.certificate("s-list-1"), self.certificate("s-list-2")
        state.db += signature_list("x509", one.data, two.data)
        state.shim("db-number-1-of-a-list", sign(self.stage("db-number-1-of-a-list"), one))
        state.shim("db-number-2-of-a-list", sign(self.stage("db-number-2-of-a-list"), two))
        state.add("firmware-db-number-2-of-a-list", sign(self.program("firmware-db-number-2-of-a-list"), two))
        for digest in ["sha1", "sha256", "sha384"]:
            image = self.stage("db-hash-" + digest)
            state.db += signature_list(digest, image_digest(image, digest))
            state.shim("db-hash-" + digest, image)
        for name, more in [("mok-hash", []), ("mok-hash-2-of-a-list", [bytes(32)])]:
            image = self.stage(name)
            state.mok += signature_list("sha256", *more, image_digest(image))
            state.shim(name, image)
        image = self.stage("mok-hash-unknown-kind")
        state.mok += signature_list("sha256", image_digest(image))
        state.shim("mok-hash-unknown-kind", with_table(image, entry(bytes(24), 1)))
        for digest in ["sha1", "sha256", "sha384"]:
            image = self.stage("dbx-hash-" + digest)
            state.dbx += signature_list(digest, image_digest(image, digest))
            state.shim("dbx-hash-" + digest, sign(image, self.good))
        image = self.stage("mokx-hash")
        state.mokx += signature_list("sha256", image_digest(image))
        state.shim("mokx-hash", sign(image, self.good))
        image = self.stage("mokx-hash-db-hash")
        state.mokx += signature_list("sha256", image_digest(image))
        state.db += signature_list("sha256", image_digest(image))
        state.shim("mokx-hash-db-hash", image)
        for name in ["mokx", "dbx"]:
            certificate = self.certificate("s-" + name)
            state.trust(certificate)
            if name == "dbx":
                state.revoke(certificate)
            else:
                state.mokx += certificate_lists(certificate)
            for case, signers in [(name, [certificate]), (name + "-then-good", [certificate, self.good]),
                                  ("good-then-" + name, [self.good, certificate])]:
                state.shim(case, sign(self.stage(case), *signers))
            image = self.stage(name + "-db-hash")
            state.db += signature_list("sha256", image_digest(image))
            state.shim(name + "-db-hash", sign(image, certificate))
        state.add("firmware-dbx-then-good", sign(self.program("firmware-dbx-then-good"), certificate, self.good),
                  depends=ORDER)
        chain = self.chain("s-dbx-root")
        state.trust(chain["leaf"])
        state.revoke(chain["root"])
        state.shim("db-leaf-dbx-root", sign(self.stage("db-leaf-dbx-root"), chain["leaf"]))
        one, two = self.certificate("s-dbx-1"), self.certificate("s-dbx-2")
        state.trust(two)
        state.dbx += signature_list("x509", one.data, two.data)
        state.shim("dbx-number-2-of-a-list", sign(self.stage("dbx-number-2-of-a-list"), two))
        certificate = self.certificate("s-dbx-digest")
        state.trust(certificate)
        state.dbx += certificate_hash_list("sha256", certificate)
        state.shim("dbx-certificate-digest", sign(self.stage("dbx-certificate-digest"), certificate))

    def shim_forms(self):
        state = self.shim_state("shim-tables", "forms of the certificate table")
        state.trust(self.good)

        def add(name, make):
            image = self.stage(name)
            state.shim(name, make(image, entry(signature(image, self.good))))
        garbage = entry(b"\x30\x82" + bytes(62))
        add("zeros-in-table", lambda image, good: with_table(image, good, bytes(8)))
        add("text-after-table", lambda image, good: with_table(image, good, trailing=b"more data"))
        add("kind-0001-before", lambda image, good: with_table(image, entry(bytes(24), 1), good))
        add("kind-0001-after", lambda image, good: with_table(image, good, entry(bytes(24), 1)))
        add("kind-0ef1-pkcs7", lambda image, good: with_table(image, entry(forms.PKCS7_GUID + good[8:], 0xef1)))
        add("garbage-before", lambda image, good: with_table(image, garbage, good))
        add("garbage-after", lambda image, good: with_table(image, good, garbage))
        add("then-length-0", lambda image, good: with_table(image, good, entry(b"", length=0)))
        add("revision-0100", lambda image, good: with_table(image, entry(signature(image, self.good), revision=0x100)))
        add("not-wrapped", lambda image, good: with_table(image, entry(signature(image, self.good, wrapped=False))))

        state = self.shim_state("shim-sbat-forms", "forms of .sbat")
        state.trust(self.good)
        short = "sbat,1,x,sbat,1,x\n"
        for name, sbat, sections in [
                ("missing", None, []), ("twice", SBAT, [(".sbat", SBAT.encode())]), ("empty", b"", []),
                ("only-sbat", short, []), ("three-columns", "sbat,1,x\n", []), ("garbage", b"\xff\xfe garbage", []),
                ("without-first-line", "verdict,4,x,verdict,1,x\n", []),
                ("zero-at-end", short + "verdict,4,x,x,1,x\n\0", []),
                ("comment", short + "# comment\nverdict,4,x,verdict,1,x\n", []),
                ("crlf", "sbat,1,x,sbat,1,x\r\nverdict,4,x,verdict,1,x\r\n", []),
                ("grub-4", short + "grub,4,x,grub,1,x\n", []), ("grub-5", short + "grub,5,x,grub,1,x\n", []),
                ("shim-3", short + "shim,3,x,shim,1,x\n", [])]:
            state.shim(name, sign(self.stage(name, sbat=sbat, sections=sections), self.good))
        image = self.stage("missing-hash-in-db", sbat=None)
        state.db += signature_list("sha256", image_digest(image))
        state.shim("missing-hash-in-db", image)

        # OVMF has room for it in one variable. Where firmware has not, shim writes the rest to MokListRT1 and so on for the
        # kernel, but itself looks up MokListRT only; that cannot be seen here.
        state = self.shim_state("shim-long-list", "a MokList of 50 KB")
        for number in range(3):
            certificate = self.certificate("c-%d" % number)
            state.mok += certificate_lists(certificate)
            state.shim("mok-%d" % number, sign(self.stage("mok-%d" % number), certificate))
            state.mok += signature_list("sha256", *[hashlib.sha256(b"%d %d" % (number, other)).digest() for other in range(500)])
        image = self.stage("mok-hash-at-end")
        state.mok += signature_list("sha256", image_digest(image))
        state.shim("mok-hash-at-end", image)
        state.shim("stranger", sign(self.stage("stranger"), self.stranger))

        state = self.shim_state("shim-lists", "forms of lists in MokList and MokListX")
        state.odd_lists = True
        one, two, three = [self.certificate("f-list-%d" % number) for number in (1, 2, 3)]
        state.mok += signature_list("x509", one.data, two.data) + certificate_lists(three)
        for number, certificate in enumerate([one, two, three], 1):
            state.shim("mok-%d" % number, sign(self.stage("mok-%d" % number), certificate))
        for name, make in [("certificate-and-a-byte", lambda data: signature_list("x509", data + b"\0")),
                           ("list-with-header", lambda data: signature_list("x509", data, header=bytes(16))),
                           ("after-unknown-list", lambda data: signature_list("unknown", bytes(40)) +
                            signature_list("x509", data))]:
            certificate = self.certificate("f-" + name)
            state.mok += make(certificate.data)
            state.shim(name, sign(self.stage(name), certificate))
        one, two = self.certificate("f-mokx-1"), self.certificate("f-mokx-2")
        state.trust(one, two)
        state.mokx += signature_list("x509", one.data, two.data)
        state.shim("mokx-1", sign(self.stage("mokx-1"), one))
        state.shim("mokx-2", sign(self.stage("mokx-2"), two))

        state = self.shim_state("shim-damaged", "a MokList whose last list is cut")
        state.odd_lists = True
        one, two = self.certificate("g-1"), self.certificate("g-2")
        state.mok += certificate_lists(one) + certificate_lists(two)[:-50]
        state.shim("before-the-cut", sign(self.stage("before-the-cut"), one))
        state.shim("cut", sign(self.stage("cut"), two))

    def shim_modes(self):
        mok = self.certificate("o-mok")
        for name, note, variables in [
                ("plain", "no MokListX", {}), ("ignore-db", "MokIgnoreDB", {"MokDBState": b"\1"}),
                ("insecure", "validation switched off", {"MokSBState": b"\1"}), ("off", "Secure Boot switched off", {}),
                ("nx", "MokPolicy demands NX", {"MokPolicy": b"\1"}),
                ("untrusted", "MokListTrusted", {"MokListTrusted": b"\1"})]:
            state = self.shim_state("shim-" + name, note)
            state.enabled, state.as_in = name != "off", "shim-plain" if name == "off" else None
            state.trust(self.good)
            state.mok += certificate_lists(mok)
            state.shim_variables = variables
            hashed = self.stage("db-hash")
            state.db += signature_list("sha256", image_digest(hashed))
            for case, image in [("db", sign(self.stage("db"), self.good)), ("db-hash", hashed),
                                ("mok", sign(self.stage("mok"), mok)), ("unsigned", self.stage("unsigned")),
                                ("stranger", sign(self.stage("stranger"), self.stranger)),
                                ("no-sbat", sign(self.stage("no-sbat", sbat=None), mok))]:
                state.shim(case, image)

    def sbat_levels(self):
        short = "sbat,1,x,sbat,1,x\n"

        def level(name, note, text, lines):
            state = self.shim_state("level-" + name, note)
            state.trust(self.good)
            state.shim_variables = {"SbatLevel": text.encode()}
            # Before this boot: shim may raise the level now, and the verdict is about that.
            state.seen["SbatLevelRT"] = text.encode()
            for case, line in lines:
                state.shim(case, sign(self.stage(case, sbat=short + line), self.good))
        level("newer", "newer than shim's own", "sbat,1,2030010100\nshim,4\ngrub,3\nverdict,5\n", [
            *[("verdict-" + number.replace(" ", "blank-"), "verdict,%s,x,verdict,1,x\n" % number) for number in (
                "4", "5", "6", "10", "0", "-1", "x", "0x5", "5beta", " 5", "99999999999", "65541")],
            ("absent", ""), ("4-and-5", "verdict,4,x,verdict,1,x\nverdict,5,x,verdict,1,x\n"),
            ("5-and-4", "verdict,5,x,verdict,1,x\nverdict,4,x,verdict,1,x\n"), ("upper-case", "VERDICT,4,x,verdict,1,x\n"),
            ("longer-name", "verdict.debian,1,x,verdict,1,x\n"), ("grub-2", "grub,2,x,grub,1,x\n"),
            ("grub-3", "grub,3,x,grub,1,x\n"), ("two-columns", "verdict,5\n"), ("no-line-end", "verdict,4,x,verdict,1,x")])
        grubs = [("grub-%d" % number, "grub,%d,x,grub,1,x\n" % number) for number in (1, 2, 4, 5)]
        level("older", "shim raises it to its own", "sbat,1,2021030218\n", [
            *grubs[2:], ("shim-3", "shim,3,x,shim,1,x\n"), ("proxmox-1", "grub.proxmox,1,x,grub,1,x\n")])
        level("same-date", "kept", "sbat,1,2025021800\ngrub,2\n", grubs[:2])
        level("damaged", "shim replaces it", "garbage", grubs[2:])

    def beside_shim(self):
        extra, other = self.certificate("b-extra"), self.certificate("b-other")
        line = (".sbat", SBAT_LINE.encode())
        state = self.shim_state("beside-certificates", "shim_certificate*.efi beside shim")
        state.trust(self.good)
        plant = sign(self.program("plant", sections=[line, (".db", certificate_lists(extra))]), self.good)
        foreign = sign(self.program("plant-foreign", sections=[line, (".db", certificate_lists(other))]), self.stranger)
        for directory, files, signers in [
                ("a", {"shim_certificate.efi": plant}, [("plain", extra), ("plain-other", other)]),
                ("b", {"shim_certificate_3.efi": plant, "shim_certificate.efi": foreign}, [("numbered", extra), (
                    "foreign", other)]),
                ("c", {}, [("nothing", extra)])]:
            state.beside[directory] = dict(state.beside["s"], **files)
            for case, signer in signers:
                state.shim(case, sign(self.stage(case), signer), directory=directory)
        new = b"sbat,1,2026010100\nshim,4\ngrub,5\nverdict,6\n"
        for name, signer in [("revocations", self.good), ("revocations-foreign", self.stranger)]:
            state = self.shim_state("beside-" + name, "revocations_sbat.efi beside shim")
            state.trust(self.good)
            state.beside["s"]["revocations_sbat.efi"] = sign(self.program(
                "revocations", sections=[line, (".sbata", new), (".sbatl", new)]), signer)
            state.seen["SbatLevelRT"] = b"sbat,1,2025021800\nshim,4\ngrub,5\n"
            for number in (5, 6):
                case = "verdict-%d" % number
                state.shim(case, sign(self.stage(case, sbat=SBAT_LINE + "verdict,%d,x,verdict,1,x\n" % number), self.good))

    def firmware_states(self):
        self.matrix()
        self.algorithms()
        self.chains()
        self.certificate_hashes()
        self.tables()
        self.lists()
        self.damaged()
        self.modes()

    def shim_states(self):
        self.shim_trust()
        self.shim_forms()
        self.shim_modes()
        self.sbat_levels()
        self.beside_shim()
