# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
"""The forms of verdict-test: certificates, signatures, EFI programs, signature lists and variable stores, including those
that no tool writes. Only Python's standard library and openssl."""
import base64
import hashlib
import os
import struct
import subprocess
import uuid

# --- DER -------------------------------------------------------------------------------------------------------------


def der(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(length)]) + length + body


def sequence(*parts):
    return der(0x30, *parts)


def set_of(*parts):
    return der(0x31, *parts)


def integer(value):
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(text):
    numbers = [int(number) for number in text.split(".")]
    body = b""
    for number in [numbers[0] * 40 + numbers[1]] + numbers[2:]:
        group = [number & 127]
        while number > 127:
            number >>= 7
            group.insert(0, number & 127 | 128)
        body += bytes(group)
    return der(6, body)


def der_content(data):
    return data[2 + (data[1] & 127 if data[1] & 128 else 0):]


NULL = b"\x05\x00"
DIGEST_OIDS = {
    "md5": "1.2.840.113549.2.5",
    "sha1": "1.3.14.3.2.26",
    "sha224": "2.16.840.1.101.3.4.2.4",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
RSA_SIGNATURES = {"md5": 4, "sha1": 5, "sha224": 14, "sha256": 11, "sha384": 12, "sha512": 13}
EC_SIGNATURES = {"sha256": 2, "sha384": 3, "sha512": 4}
MODULE_SIGNING = "1.3.6.1.4.1.2312.16.1.2"
CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
TIME_STAMPING = "1.3.6.1.5.5.7.3.8"


def digest_algorithm(name, null=True):
    return sequence(oid(DIGEST_OIDS[name]), NULL if null else b"")


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE).stdout


# --- keys and certificates -------------------------------------------------------------------------------------------


class Key:
    """A private key in a file; made if the file does not exist."""

    def __init__(self, path, kind="rsa2048"):
        self.path, self.kind = path, kind
        if not os.path.exists(path):
            options = {"rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:" + kind[3:]],
                       "p-2": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                       "p-3": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]}[kind[:3]]
            openssl("genpkey", *options, "-out", path + ".new")
            os.rename(path + ".new", path)
        self.public = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")

    def algorithm(self, digest):
        if self.kind.startswith("rsa"):
            return sequence(oid("1.2.840.113549.1.1.%d" % RSA_SIGNATURES[digest]), NULL)
        return sequence(oid("1.2.840.10045.4.3.%d" % EC_SIGNATURES[digest]))

    def sign(self, data, digest):
        return openssl("dgst", "-" + digest, "-sign", self.path, data=data)


class Certificate:
    """An X.509 certificate with its key. issuer=None: self-signed; ca=None: without basic constraints."""

    def __init__(self, keys, directory, name, issuer=None, kind="rsa2048", digest="sha256", ca=False, usages=(), valid=(
            "20200101000000Z", "20490101000000Z")):
        self.name, self.issuer = name, issuer
        self.key = Key("%s/%s.%s.key" % (keys, name, kind), kind)
        self.serial = int.from_bytes(b"\x01" + hashlib.sha256(name.encode()).digest()[:7], "big")
        self.subject = sequence(set_of(sequence(oid("2.5.4.3"), der(0x0c, ("verdict-test " + name).encode()))))
        signer = issuer or self
        critical = b"\x01\x01\xff"
        extensions = [sequence(oid("2.5.29.14"), der(4, der(4, hashlib.sha1(self.key.public).digest())))]
        if ca is not None:
            extensions.append(sequence(oid("2.5.29.19"), critical, der(4, sequence(b"\x01\x01\xff" if ca else b""))))
        if usages:
            extensions.append(sequence(oid("2.5.29.37"), critical if TIME_STAMPING in usages else b"",
                                       der(4, sequence(*[oid(usage) for usage in usages]))))
        self.algorithm = signer.key.algorithm(digest)

        def time(text):
            return der(0x17, text[2:].encode()) if text < "2050" and text >= "1950" else der(0x18, text.encode())
        self.tbs = sequence(der(0xa0, integer(2)), integer(self.serial), self.algorithm, signer.subject,
                            sequence(*map(time, valid)), self.subject, self.key.public,
                            der(0xa3, sequence(*extensions)))
        self.data = sequence(self.tbs, self.algorithm, der(3, b"\0", signer.key.sign(self.tbs, digest)))
        self.path = "%s/%s.crt" % (directory, name)
        with open(self.path, "w") as file:
            file.write("-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" %
                       base64.encodebytes(self.data).decode())

    def chain(self):
        """This certificate and its issuers without the root."""
        found = self
        while found.issuer:
            yield found
            found = found.issuer


# --- EFI programs and Authenticode -----------------------------------------------------------------------------------

PROGRAM_NAME = b"@@NAME@@"


def program(code, name, sections=(), space=0, characteristics=0x60000020):
    """A PE32+ file (application, x86-64) that runs the code, with the name put in it, and has these sections."""
    place = code.index(PROGRAM_NAME)
    encoded = name.encode()
    assert len(encoded) < 64, name
    code = code[:place] + encoded.ljust(64, b"\0") + code[place + 64:]
    sections = [(".text", code, space, characteristics)] + [(label, data, 0, 0x40000040) for label, data in sections]
    headers, body, address = b"", b"", 0x1000
    for label, data, extra, flags in sections:
        raw = data + bytes(-len(data) % 512)
        headers += struct.pack("<8sIIIIIIHHI", label.encode(), len(data) + extra, address, len(raw), 1024 + len(body), 0,
                               0, 0, 0, flags)
        body += raw
        address += (len(data) + extra + 4095) & ~4095
    optional = struct.pack("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", 0x20b, 1, 0, len(code), 0, 0, 0x1000, 0x1000, 0, 4096, 512,
                           0, 0, 0, 0, 0, 0, 0, address, 1024, 0, 10, 0x40, 0, 0, 0, 0, 0, 16) + bytes(128)
    head = b"MZ" + bytes(58) + struct.pack("<I", 64)
    head += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, len(optional), 0x2e)
    head += optional + headers
    assert len(head) <= 1024
    return head + bytes(1024 - len(head)) + body




def pad(image):
    return image + bytes(-len(image) % 8)


def places(image):
    """Where a PE32+ file keeps its checksum and the directory entry of its certificate table."""
    header = struct.unpack_from("<I", image, 60)[0] + 24
    return header + 64, header + 112 + 4 * 8


def table_of(image):
    return struct.unpack_from("<II", image, places(image)[1])


def image_digest(image, digest="sha256"):
    """The Authenticode digest: without checksum, table entry and table."""
    checksum, directory = places(image)
    offset, size = table_of(image)
    end = offset if size else len(image)
    return hashlib.new(digest, image[:checksum] + image[checksum + 4:directory] + image[directory + 8:end]).digest()


def spc(digest_name, digest, kind="1.3.6.1.4.1.311.2.1.15"):
    obsolete = der(0xa0, der(0xa2, der(0x80, "<<<Obsolete>>>".encode("utf-16-be"))))
    value = sequence(der(3, b"\0"), obsolete)
    return sequence(sequence(oid(kind), value), sequence(digest_algorithm(digest_name), der(4, digest)))


def signature(image, signer, digest="sha256", certificates=None, stamp=None, content_digest=None, nested=(),
              signer_digest=None, wrapped=True, changed=False, declared=None):
    """A PKCS#7 signature as Authenticode wants it. stamp: a function that returns a time stamp's token for a signature.
    content_digest: another digest of the image. signer_digest: another algorithm for the signer. declared: another
    algorithm in the list of the whole."""
    signer_digest = signer_digest or digest
    content = spc(digest, content_digest or image_digest(image, digest))
    attributes = [
        sequence(oid("1.2.840.113549.1.9.3"), set_of(oid("1.3.6.1.4.1.311.2.1.4"))),
        sequence(oid("1.2.840.113549.1.9.4"), set_of(der(4, hashlib.new(signer_digest, der_content(content)).digest()))),
    ]
    attributes.sort()
    value = signer.key.sign(der(0x31, *attributes), signer_digest)
    if changed:
        value = value[:-1] + bytes([value[-1] ^ 1])
    unsigned = []
    if stamp:
        unsigned.append(sequence(oid("1.3.6.1.4.1.311.3.3.1"), set_of(stamp(value))))
    for other in nested:
        unsigned.append(sequence(oid("1.3.6.1.4.1.311.2.4.1"), set_of(other)))
    issuer = signer.issuer or signer
    rsa = signer.key.kind.startswith("rsa")
    info = sequence(integer(1), sequence(issuer.subject, integer(signer.serial)), digest_algorithm(signer_digest),
                    der(0xa0, *attributes),
                    sequence(oid("1.2.840.113549.1.1.1"), NULL) if rsa else signer.key.algorithm(signer_digest),
                    der(4, value), der(0xa1, *unsigned) if unsigned else b"")
    if certificates is None:
        certificates = list(signer.chain()) or [signer]
    data = sequence(integer(1), set_of(digest_algorithm(declared or digest)),
                    sequence(oid("1.3.6.1.4.1.311.2.1.4"), der(0xa0, content)),
                    der(0xa0, *[certificate.data for certificate in certificates]) if certificates else b"",
                    set_of(info))
    return sequence(oid("1.2.840.113549.1.7.2"), der(0xa0, data)) if wrapped else data


def entry(data, kind=2, revision=0x0200, length=None, padded=True):
    """A WIN_CERTIFICATE."""
    result = struct.pack("<IHH", 8 + len(data) if length is None else length, revision, kind) + data
    return pad(result) if padded else result


PKCS7_GUID = uuid.UUID("4aafd29d-68df-49ee-8aa9-347d375665a7").bytes_le


def with_table(image, *entries, size=None, trailing=b""):
    """The image with a certificate table. size: another size in the directory."""
    assert len(image) % 8 == 0
    return append_table(image, *entries, size=size, trailing=trailing)


def append_table(image, *entries, size=None, trailing=b""):
    """The same, at any place."""
    assert table_of(image) == (0, 0)
    table = b"".join(entries)
    directory = places(image)[1]
    place = struct.pack("<II", len(image), len(table) if size is None else size)
    return image[:directory] + place + image[directory + 8:] + table + trailing


def sign(image, *signers, **options):
    """The image signed by each in turn."""
    image = pad(image)
    return with_table(image, *[entry(signature(image, signer, **options)) for signer in signers])


class TimeStamper:
    """Makes RFC 3161 tokens with `openssl ts`, with the present time."""

    def __init__(self, directory, certificate):
        self.certificate = certificate
        self.configuration = "%s/%s.ts" % (directory, certificate.name)
        with open(self.configuration, "w") as file:
            file.write("[tsa]\nserial=%s.serial\ndefault_policy=1.2.3.4\ndigests=sha256,sha384,sha512\n"
                       "signer_digest=sha256\n" % self.configuration)

    def __call__(self, value):
        query = openssl("ts", "-query", "-digest", hashlib.sha256(value).hexdigest(), "-sha256", "-cert", "-no_nonce")
        path = self.configuration + ".query"
        with open(path, "wb") as file:
            file.write(query)
        return openssl("ts", "-reply", "-config", self.configuration, "-section", "tsa", "-queryfile", path, "-signer",
                       self.certificate.path, "-inkey", self.certificate.key.path, "-token_out")


# --- signature lists -------------------------------------------------------------------------------------------------

LISTS = {
    "sha1": "826ca512-cf10-4ac9-b187-be01496631bd",
    "sha224": "0b6e5233-a65c-44c9-9407-d9ab83bfc8bd",
    "sha256": "c1c41626-504c-4092-aca9-41f936934328",
    "sha384": "ff3e5307-9fd0-48c9-85f1-8ad56c701e01",
    "sha512": "093e0fae-a6c4-4f50-9f1b-d41e2b89c19a",
    "x509": "a5c059a1-94e4-4aa7-87b5-ab155c2bf072",
    "x509-sha256": "3bd2a492-96c0-4079-b420-fcf98ef103ed",
    "x509-sha384": "7076876e-80c2-4ee6-aad2-28b349a6865b",
    "x509-sha512": "446dbf63-2502-4cda-bcfa-2465d2b0fe9d",
    "rsa2048": "3c5766e8-269c-4e34-aa14-ed776e85b3b6",
    "unknown": "11111111-2222-3333-4444-555555555555",
}
OWNER = uuid.UUID("6d9f1f3e-0b9c-4d7e-9a53-8d1f5a3c2b10").bytes_le


def signature_list(kind, *values, header=b"", size=None, signature_size=None):
    body = b"".join(OWNER + value for value in values)
    each = (16 + len(values[0])) if signature_size is None else signature_size
    total = 28 + len(header) + len(body)
    return (uuid.UUID(LISTS[kind]).bytes_le + struct.pack("<III", total if size is None else size, len(header), each) +
            header + body)


def certificate_lists(*certificates):
    """A list for each."""
    return b"".join(signature_list("x509", certificate.data) for certificate in certificates)


def efi_time(text):
    """EFI_TIME of "YYYY-MM-DD", or zero."""
    if not text:
        return bytes(16)
    year, month, day = map(int, text.split("-"))
    return struct.pack("<HBBBBBBIhBB", year, month, day, 0, 0, 0, 0, 0, 0, 0, 0)


def certificate_hash_list(digest, certificate, revoked=None):
    return signature_list("x509-" + digest, hashlib.new(digest, certificate.tbs).digest() + efi_time(revoked))


# --- variables -------------------------------------------------------------------------------------------------------

GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
SECURITY = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
SHIM = "605dab50-e046-4300-abb6-3dd810dd8b23"
ENABLE = "f0a30bc7-af08-4556-99c4-001009c93a44"
CUSTOM = "c076ec0c-7028-4399-a072-71ee5c448b9f"
AUTHENTICATED = 0x27


def utf16(text):
    return text.encode("utf-16-le") + b"\0\0"


def load_option(label, path, data=b"", before=b""):
    """before: the device path of the file's disk; without it, the firmware searches all of them each time."""
    path = utf16(path)
    node = before + struct.pack("<BBH", 4, 4, 4 + len(path)) + path + b"\x7f\xff\x04\0"
    return struct.pack("<IH", 1, len(node)) + utf16(label) + node + data


def store(empty, variables):
    """OVMF's variable store with these (name, vendor, attributes, data) added. `empty` is the package's."""
    result = bytearray(empty)
    start = struct.unpack_from("<H", result, 48)[0]
    state = struct.unpack_from("<H", result, start + 20)[0]
    assert state == 0xfe5a, "no variable store"
    end = start + struct.unpack_from("<I", result, start + 16)[0]
    place = start + 28
    while struct.unpack_from("<H", result, place)[0] == 0x55aa:
        name, data = struct.unpack_from("<II", result, place + 36)
        place = (place + 60 + name + data + 3) & ~3
    for name, vendor, attributes, data in variables:
        encoded = utf16(name)
        # The time of an authenticated variable: 2026-01-01.
        time = struct.pack("<HBB", 2026, 1, 1) + bytes(12) if attributes & 0x20 else bytes(16)
        record = struct.pack("<HBBI", 0x55aa, 0x3f, 0, attributes) + bytes(8) + time + bytes(4)
        record += struct.pack("<II", len(encoded), len(data)) + uuid.UUID(vendor).bytes_le + encoded + data
        record += b"\xff" * (-len(record) % 4)
        assert place + len(record) < end, "the store is full"
        result[place:place + len(record)] = record
        place += len(record)
    return bytes(result)
