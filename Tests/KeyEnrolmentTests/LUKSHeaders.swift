// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What `cryptsetup luksDump --dump-json-metadata` of cryptsetup 2.6.1 prints, without blanks.
///
/// Enrolled with systemd-cryptenroll 252 and clevis 19 in a TPM by swtpm.
enum LUKSHeaders {
  /// A passphrase only.
  static let passphrase = """
    {"keyslots":{"0":{"type":"luks2","key_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},"area":{"typ\
    e":"raw","offset":"32768","size":"258048","encryption":"aes-xts-plain64","key_size":64},"kdf":{"type":"pbkdf2","\
    hash":"sha256","iterations":1000,"salt":"ZeesDtUrzhQ4j8qbXrJCqGD3htNlxu4HBuRiiQNCsJI="}}},"tokens":{},"segments"\
    :{"0":{"type":"crypt","offset":"16777216","size":"dynamic","iv_tweak":"0","encryption":"aes-xts-plain64","sector\
    _size":4096}},"digests":{"0":{"type":"pbkdf2","keyslots":["0"],"segments":["0"],"hash":"sha256","iterations":100\
    0,"salt":"f3MBts6dOl1avPwElsY9EJwBHe7ymo2pJnTfysxBlUM=","digest":"Mc9VzxBFpY3oC1ulA7+KV8VTTEOxWpkdKb5Kh0tIhgM="}\
    },"config":{"json_size":"12288","keyslots_size":"16744448"}}
    """

  /// A passphrase, and systemd-tpm2 with PCR 7.
  static let systemd = """
    {"keyslots":{"0":{"type":"luks2","key_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},"area":{"typ\
    e":"raw","offset":"32768","size":"258048","encryption":"aes-xts-plain64","key_size":64},"kdf":{"type":"pbkdf2","\
    hash":"sha256","iterations":1000,"salt":"ZeesDtUrzhQ4j8qbXrJCqGD3htNlxu4HBuRiiQNCsJI="}},"1":{"type":"luks2","ke\
    y_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha512"},"area":{"type":"raw","offset":"290816","size":"2\
    58048","encryption":"aes-xts-plain64","key_size":64},"kdf":{"type":"pbkdf2","hash":"sha512","iterations":1000,"s\
    alt":"3SxCE7AlTxe+Bo/iXFcWjue6FkR/rMon0qLu1GlPNvo="}}},"tokens":{"0":{"type":"systemd-tpm2","keyslots":["1"],"tp\
    m2-blob":"AJ4AICqU4JfazPXp2Vtpbze5PiKVO4WwQLHs0uh/6yKKOnYCABAGhRNFejZnmhjtwgOdqt7CFuEiKICDuU9iL5xznKGxj/UnI4eaqo\
    9NBNj51nDIT5kOAXVSzS1pC8+GVyLWJcp2tSf9di60clubXS5LEHeNw4uhmt3vzniGhwupSrLti+h7B1sLyVKmqLyT+eRgm1hXX6L01rhP6Dpfnw\
    BOAAgACwAAABIAIItWgtgbKUNdCNeSeBUGEdx+WSOy/vzOaEoJV3tAEwqLABAAIJ/LMEmuhk34mEDJrYw8KiWBRwaxawdzN9/982Y/8xmd","tpm\
    2-pcrs":[7],"tpm2-pcr-bank":"sha256","tpm2-primary-alg":"ecc","tpm2-policy-hash":"8b5682d81b29435d08d79278150611\
    dc7e5923b2fefcce684a09577b40130a8b","tpm2-pin":false}},"segments":{"0":{"type":"crypt","offset":"16777216","size\
    ":"dynamic","iv_tweak":"0","encryption":"aes-xts-plain64","sector_size":4096}},"digests":{"0":{"type":"pbkdf2","\
    keyslots":["0","1"],"segments":["0"],"hash":"sha256","iterations":1000,"salt":"f3MBts6dOl1avPwElsY9EJwBHe7ymo2pJ\
    nTfysxBlUM=","digest":"Mc9VzxBFpY3oC1ulA7+KV8VTTEOxWpkdKb5Kh0tIhgM="}},"config":{"json_size":"12288","keyslots_s\
    ize":"16744448"}}
    """

  /// A passphrase, and systemd-tpm2 with a signed policy for PCR 11.
  static let signed = """
    {"keyslots":{"0":{"type":"luks2","key_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},"area":{"typ\
    e":"raw","offset":"32768","size":"258048","encryption":"aes-xts-plain64","key_size":64},"kdf":{"type":"pbkdf2","\
    hash":"sha256","iterations":1000,"salt":"YcuXJBcUB37w02drTZnMkKLlFi3CTBdVTdkUm5jMeiI="}},"1":{"type":"luks2","ke\
    y_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha512"},"area":{"type":"raw","offset":"290816","size":"2\
    58048","encryption":"aes-xts-plain64","key_size":64},"kdf":{"type":"pbkdf2","hash":"sha512","iterations":1000,"s\
    alt":"FA8axADTwlAKd63l28auXXSjeRIsunI8GIrTTtVDltI="}}},"tokens":{"0":{"type":"systemd-tpm2","keyslots":["1"],"tp\
    m2-blob":"AJ4AIIdWsXAVm447ZM3Q59oVdFn1LhE+EjeMSQ+qrQHnArjZABCOhGQcPYrvYQs/keUoPK7hwax09MfJsibpFBFqDqluX5vdX2NAXc\
    j8r6gvRZRsBCZljHf3oilTXFvOlp4N1+89mt9LOfpsa36NaQcsTaFK5IKkFzfPFGRNkg3/1shlIHnP7klHsVT/+x0fEis/FxTuGzv7I6aXMLSOmQ\
    BOAAgACwAAABIAIFv1vvg5HAmEdRWKdwYQQz98I9mCLG73s25liIO8UoopABAAILcBPBe0+Ez3PJLil68+hCgY5ddiuVJ1AkUNstdt0mSz","tpm\
    2-pcrs":[],"tpm2-pcr-bank":"sha256","tpm2-primary-alg":"ecc","tpm2-policy-hash":"5bf5bef8391c098475158a770610433\
    f7c23d9822c6ef7b36e658883bc528a29","tpm2-pin":false,"tpm2_pubkey_pcrs":[11],"tpm2_pubkey":"LS0tLS1CRUdJTiBQVUJMS\
    UMgS0VZLS0tLS0KTUlJQklqQU5CZ2txaGtpRzl3MEJBUUVGQUFPQ0FROEFNSUlCQ2dLQ0FRRUFzcDUva2tkSTJoVGIrZThSL0hwMwpGdXZVZUdJV\
    mVPSTVtYUNPcnBuVUtqWWM1OXFjemtqTlFOMVVERTNya2hIWFIxczFYbUdoRWlvNkdFckdkSGQwCmxhSm1KQms5ZDg3d3ZEVUgvQTRFdGs4YzR4d\
    VJSaXJocjFiSlNmbGRLMllxMUpiRDd0VGc5MHE4d3VQRGI3YkgKa0pxYWpLekR1dUNHZnhpelZnbTh6c2tkTVk3bTFUa04yZnJzSmdzYXZoaUNoS\
    1ZyUHNLVjlqZkltVDFOS2llTgpoc3hpdHFHL3NxNVk4UWErZVdLZmRMMVFKd1pMRFdEZHUySllZUU1rSXk1Uk1Od2hnQVJweVVKRHJCM2JvcEN1C\
    m03UlNibmFOcEtsWXJYOGtzNkhmUkVZYXhndEc1M1J6dEVuWVlLRkJyL0tieVNjZXlZeEtPS2F3TDM0dzhSYWoKT1FJREFRQUIKLS0tLS1FTkQgU\
    FVCTElDIEtFWS0tLS0tCg=="}},"segments":{"0":{"type":"crypt","offset":"16777216","size":"dynamic","iv_tweak":"0","\
    encryption":"aes-xts-plain64","sector_size":4096}},"digests":{"0":{"type":"pbkdf2","keyslots":["0","1"],"segment\
    s":["0"],"hash":"sha256","iterations":1000,"salt":"mD/cgyhRTRf/HjIu7VtIi+kBipxqaVnb7Ze1VDmpcmA=","digest":"V94FV\
    yDaqW8QCQ/CkqOgcwR9l5SBcMvOxDL8P28AMSM="}},"config":{"json_size":"12288","keyslots_size":"16744448"}}
    """

  /// A passphrase, and clevis with PCR 1 and 7.
  static let clevis = """
    {"keyslots":{"0":{"type":"luks2","key_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},"area":{"typ\
    e":"raw","offset":"32768","size":"258048","encryption":"aes-xts-plain64","key_size":64},"kdf":{"type":"pbkdf2","\
    hash":"sha256","iterations":1000,"salt":"Mor0MwCBWH1gyv0GxAyaaqmUUUqosugG3MhJ7f8Fcw8="}},"1":{"type":"luks2","ke\
    y_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},"area":{"type":"raw","offset":"290816","size":"2\
    58048","encryption":"aes-xts-plain64","key_size":64},"kdf":{"type":"pbkdf2","hash":"sha256","iterations":1000,"s\
    alt":"V4oGJ5Olu3dK4bIUFqtCOF3RPbuBy6XdXX+R5hbaiTI="}}},"tokens":{"0":{"type":"clevis","keyslots":["1"],"jwe":{"c\
    iphertext":"JRQeZJFX2RhsEOxMyOTUGcrw0xs9w9w651wF3q2J_5rO7T-qTXeFPieklq1k9ap0i9HBk8U","encrypted_key":"","iv":"qI\
    -KsJGAygnoyb4j","protected":"eyJhbGciOiJkaXIiLCJjbGV2aXMiOnsicGluIjoidHBtMiIsInRwbTIiOnsiaGFzaCI6InNoYTI1NiIsImp\
    3a19wcml2IjoiQU80QUlFOTdORlpKT0d4TFlYZjBaMmtXdlJXWG8xY1JHNXV1aUpOM0RJd3Nxd0xTQUJBWWd6UHFpNk9MQ2FiRXVBZ0JmdlRuZVZ\
    RLWhzVVcwaTFGakhVQTFBbThCOEdUaVJZNmFJUWlJYnJFMHdONEtLRWxyWHZWN21sdXRkbksxc1NZYTRkYTQzc3VNenprVl9zeUZNeFp2XzVzbWg\
    xcnpmS0czaEc2VmpSQjFYLXlEcEpRUnlRMHBPeklISERseUdJdWtsMjV5aGhGQWtNZXZwYjdHTE1QODVXQi1TSGtoU3BJck1JVDQ4QzhUMVFfbFF\
    ZMjJObXZYQ1l3bE84N0VSVFhjRFhyNlUzLTRDVzU1LV8welJpRkU2SjVEei1EOHNYS3BHT2xXbVprNlhUMUoyZE12ZEstS2pHSl96X1QiLCJqd2t\
    fcHViIjoiQUU0QUNBQUxBQUFFa2dBZzNkSVdPajdsRjd4QndMajBGelVoWjBmNGVNOG55dlczX3dId0lFaUdvZFFBRUFBZ0FBbG5reHRpUXplMFB\
    ubWVuSFU1WUlPUTFtb1hCYlBXb3VGSlpsel95QmciLCJrZXkiOiJlY2MiLCJwY3JfYmFuayI6InNoYTI1NiIsInBjcl9pZHMiOiIxLDcifX0sImV\
    uYyI6IkEyNTZHQ00ifQ","tag":"iusf5M2QGHnYoWiKk_lRFg"}}},"segments":{"0":{"type":"crypt","offset":"16777216","size\
    ":"dynamic","iv_tweak":"0","encryption":"aes-xts-plain64","sector_size":4096}},"digests":{"0":{"type":"pbkdf2","\
    keyslots":["0","1"],"segments":["0"],"hash":"sha256","iterations":1000,"salt":"+2cQ2zQEs+ol556VCHC7DMWM5AyymaSxJ\
    YvArSOq++k=","digest":"A5vKG9/4hO6uFjBf/VKrFMyX3LVgjOON4K9SXqk5xWY="}},"config":{"json_size":"12288","keyslots_s\
    ize":"16744448"}}
    """

  /// A passphrase, and clevis with one of two shares: PCR 7, or no PCR.
  static let shared = """
    {"keyslots":{"0":{"type":"luks2","key_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},"area":{"typ\
    e":"raw","offset":"32768","size":"258048","encryption":"aes-xts-plain64","key_size":64},"kdf":{"type":"pbkdf2","\
    hash":"sha256","iterations":1000,"salt":"chNRWWzsyGomJi/D3zddi1SmpdYaE0oq3DBUyzpM1Tc="}},"1":{"type":"luks2","ke\
    y_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},"area":{"type":"raw","offset":"290816","size":"2\
    58048","encryption":"aes-xts-plain64","key_size":64},"kdf":{"type":"pbkdf2","hash":"sha256","iterations":1000,"s\
    alt":"ZdYBO1/53Pv2K+Yxown5KdSxTQ90QntIqD/ecu+lkHY="}}},"tokens":{"0":{"type":"clevis","keyslots":["1"],"jwe":{"c\
    iphertext":"yor6FkQy81-ACBFSSS-I1-nJbG1a878-hNuTy3tAwYmZnTzAuFdXBqhblAZ8tK4CgVuGOao","encrypted_key":"","iv":"hz\
    qAnRO91J3xmn6E","protected":"eyJhbGciOiJkaXIiLCJjbGV2aXMiOnsicGluIjoic3NzIiwic3NzIjp7Imp3ZSI6WyJleUpoYkdjaU9pSmt\
    hWElpTENKamJHVjJhWE1pT25zaWNHbHVJam9pZEhCdE1pSXNJblJ3YlRJaU9uc2lhR0Z6YUNJNkluTm9ZVEkxTmlJc0ltcDNhMTl3Y21sMklqb2l\
    RVTgwUVVsRFNVdEtkWEpZU0RsdFkzbFNVWFUxTTBOU2IyaDNlV0Z2UzBOTlVVRnVXVzlJVFVkbldFaHRjVlZzUVVKQlZuVldZMW80ZG01Q2JVTjF\
    VRE0zWlV0R1dGOHRTWG8zTTFnd2FWcDNUV3AzUkRSMFVsbEhkM1pMWlhGUFRsZFhWRmgzVEhwellUUmhaVVZuVFhSWFFUQmFUVlF3WjJRd1NFeER\
    VRFJRZVUwdExXWnVabXhWWTBwRVVWRTVTRlJhWVZSMlNVNTNaVWgyV2xGUGNXaHVaRGxvV1habFRXSlJNbmRvZDNGc1RWaFlSemg2Y1U4elVWTXp\
    aMEpOUVRaWlIyUTBYMU5PVW1OemRWTmFYMjlaT0ZndGVqUlVTM0ZHYUhaRFJ6aExRVk41TW5Sc1gyWmZWMlp0VFROZlgyZDNZbWh6YXpsRGJUWjR\
    ZVGxXU1ZwRmEyNHpiMUJTYWtkdk5IZ3RUMlpDTlhOaldIWTNiamhaY0ZwVmVqVTJVV0Z0V0hOWlZscG5TamRMY0VWNVZ6QmxNVmxqVVdScGJXcGt\
    WSGRoZWpjaUxDSnFkMnRmY0hWaUlqb2lRVVUwUVVOQlFVeEJRVUZGYTJkQloya3hZVU15UW5Od1VURXdTVEUxU2pSR1VWbFNNMGcxV2trM1RDMWZ\
    UVFZ2VTJkc1dHVXdRVlJEYjNOQlJVRkJaMHgzYkdObFZHZzJZa3hDTlU5RlNXaHhXRmRhUTNGRFJ6SlNaMW81VEZaRFEzVlhkRUZxU0hWWk5EZ2l\
    MQ0pyWlhraU9pSmxZMk1pTENKd1kzSmZZbUZ1YXlJNkluTm9ZVEkxTmlJc0luQmpjbDlwWkhNaU9pSTNJbjE5TENKbGJtTWlPaUpCTWpVMlIwTk5\
    JbjAuLkJHU1NpQWw4ODVfSGlySUQuUEhSNkFDRGFVRnRtRVZuVGhDUUV4QVRycWktVmFXc1pDaHFGTi1kZ08yN1liVjVWemxmQ0pHeENQZmVRbjF\
    0Tm1HdGs2eFJXN09YTU42Q2xnVWl1S1EuWl9EMUtQeWVzNk1ycHlkS3lubFoyUSIsImV5SmhiR2NpT2lKa2FYSWlMQ0pqYkdWMmFYTWlPbnNpY0d\
    sdUlqb2lkSEJ0TWlJc0luUndiVElpT25zaWFHRnphQ0k2SW5Ob1lUSTFOaUlzSW1wM2ExOXdjbWwySWpvaVFVODBRVWxMVFRORlNHRjFVbVZtWld\
    oMlRVUmhRMWhoTWpGR1QwTlBWSEJNZFZCeGIwZEdTRWhaWWpOWWJVaFdRVUpCT0ZSaVNXTkJNMU0yUVRCZmIwMTZaM0l4VDNsYWRtUXRMV3hrTUd\
    KakxYaElWek10ZFVkWlFXaEdZbmgwZGtsUFdGRkRMWFpJVDBaWVQwbFdZbmczVlROSFlXcHJja1ZFT0RJNWFUWkxZVXg2TUV4RFZXWk9Oa05VZER\
    WdmJYcE9ZWGcxYVhOa1NHUkxiRUZDYkRGVlQxTlFibVJoWTBGQ2QwWkNhRlp3ZDBWNlpFRnFPRlF0T0ZaNmVXRnFNa2xVZUhRNGNTMWxYMWhMTUV\
    WeFlWVk5YMVYwTlVjemNTMXdWWHBKVms5aVgySjBNV0o1T1ZseFZYa3dVWGR5TkdobVFVZFdjakpIUzJKcGFWbERZM1pEU3pONU1WaHFZM2xXVmx\
    CWVN6SnpUeTFOWm1sbVlrZFJiWGRqTTJ0V1NGVjJaMFZDYzFwWmFVOXRVMHBCYUdjeFlUbFFjVGRmTms1cGVIUk9WMHNpTENKcWQydGZjSFZpSWp\
    vaVFVTTBRVU5CUVV4QlFVRkZNR2RCUVVGQ1FVRkpSbUpKUzJOQlVWaDRUa1JzVlhCeVkyaHBaMnhqUW1Kb2RVRlllRUZ3WkVZeWJuYzBNVlI2VW1\
    OTWNDSXNJbXRsZVNJNkltVmpZeUo5ZlN3aVpXNWpJam9pUVRJMU5rZERUU0o5Li5QSm1VYXZiYmRZYWswOVV0Li1sbEpWdjdJSFJFdnIzV0NqLUw\
    3eVFvQW5kV1NBNEZGSEVQYlk5RXd5cWZXX2plOVRtUWowUUdIZEVfLVZFWmdlaDNvTThoai1xbXJRbTJHN2pyb213LkdYdzN1eE9ZZFFPdGdBN1d\
    SdmpYSWciXSwicCI6IjcxY0laQWJ2bWNSUDZNOUpnbkRWYThadjR0Rm9rVWxsS3JDdWpKTkpqNWMiLCJ0IjoxfX0sImVuYyI6IkEyNTZHQ00ifQ"\
    ,"tag":"WgEAiED4z3Wf5BhliAmPDw"}}},"segments":{"0":{"type":"crypt","offset":"16777216","size":"dynamic","iv_twea\
    k":"0","encryption":"aes-xts-plain64","sector_size":4096}},"digests":{"0":{"type":"pbkdf2","keyslots":["0","1"],\
    "segments":["0"],"hash":"sha256","iterations":1000,"salt":"8q2rwnZaZWGkzwWMYBzBEan2EwRpYE2mU7onZB7nzgw=","digest\
    ":"+j+EL8EPa2q0xxBWBxGfQQCRi/l7zJir/B9TLjCzKWc="}},"config":{"json_size":"12288","keyslots_size":"16744448"}}
    """
}
