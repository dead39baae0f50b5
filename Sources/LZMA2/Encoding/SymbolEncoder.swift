// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Encodes symbols with a model and a range encoder.
///
/// Bounds: literals and match bytes are read from the text, at most from its leading padding up to `position`. The
/// caller ensures that a symbol is within the text and its distance does not reach before the first byte. States stay
/// below 12 and lengths between 2 and 273 by construction, so indices stay within their tables.
struct SymbolEncoder {
  typealias Table = Model.Table

  let text: UnsafePointer<UInt8>
  let probabilities: UnsafeMutablePointer<UInt16>
  let literalShift: Int
  let literalMask: Int
  let positionMask: Int
  var coder: RangeEncoder
  var position: Int
  var state: Int
  var rep0: UInt32
  var rep1: UInt32
  var rep2: UInt32
  var rep3: UInt32

  init(
    _ model: Model, probabilities: UnsafeMutablePointer<UInt16>, text: UnsafePointer<UInt8>, at position: Int,
    coder: RangeEncoder
  ) {
    self.text = text
    self.probabilities = probabilities
    literalShift = model.properties.lc
    literalMask = (1 &<< model.properties.lp) - 1
    positionMask = (1 &<< model.properties.pb) - 1
    self.coder = coder
    self.position = position
    state = model.state
    rep0 = model.rep0
    rep1 = model.rep1
    rep2 = model.rep2
    rep3 = model.rep3
  }

  @inline(__always) mutating func literal() {
    coder.zero(probabilities + (Table.isMatch &+ state &<< 4 &+ position & positionMask))
    let context =
      (position & literalMask) &<< literalShift &+ Int(text[position &- 1]) &>> (8 &- literalShift)
    let table = probabilities + (Table.literal &+ 0x300 &* context)
    if state < 7 {
      coder.literal(table, text[position])
      state = state < 4 ? 0 : state &- 3
    } else {
      coder.matchedLiteral(table, text[position], text[position &- Int(rep0) &- 1])
      state = state < 10 ? state &- 3 : state &- 6
    }
    position &+= 1
  }

  /// Encodes the match of `symbol`, which must have one, with its original kind or, if the latest distances have
  /// changed, with one that fits them.
  @inline(__always) mutating func match(_ symbol: Symbol) {
    let distance = symbol.distance
    let length = symbol.length
    let kind = allows(symbol.kind, distance) ? symbol.kind : kindAnew(distance, length)
    guard kind != Symbol.Kind.none else { return literal() }
    let positionState = position & positionMask
    coder.one(probabilities + (Table.isMatch &+ state &<< 4 &+ positionState))
    position &+= length
    if kind == Symbol.Kind.match {
      coder.zero(probabilities + (Table.isRep &+ state))
      state = state < 7 ? 7 : 10
      encodeLength(probabilities + Table.matchLength, length, positionState)
      coder = Self.encodeDistance(coder, probabilities, distance, length)
      rep3 = rep2
      rep2 = rep1
      rep1 = rep0
      rep0 = distance
      return
    }
    coder.one(probabilities + (Table.isRep &+ state))
    if kind == Symbol.Kind.shortRep || kind == Symbol.Kind.rep0 {
      coder.zero(probabilities + (Table.isRepG0 &+ state))
      coder.encode(
        probabilities + (Table.isRep0Long &+ state &<< 4 &+ positionState), kind == Symbol.Kind.rep0 ? 1 : 0)
      if kind == Symbol.Kind.shortRep {
        state = state < 7 ? 9 : 11
        return
      }
    } else {
      coder.one(probabilities + (Table.isRepG0 &+ state))
      coder.encode(probabilities + (Table.isRepG1 &+ state), kind == Symbol.Kind.rep1 ? 0 : 1)
      if kind != Symbol.Kind.rep1 {
        coder.encode(probabilities + (Table.isRepG2 &+ state), kind == Symbol.Kind.rep3 ? 1 : 0)
        if kind == Symbol.Kind.rep3 { rep3 = rep2 }
        rep2 = rep1
      }
      rep1 = rep0
      rep0 = distance
    }
    state = state < 7 ? 8 : 11
    encodeLength(probabilities + Table.repLength, length, positionState)
  }

  /// Whether a match of `kind` would have `distance` here.
  @inline(__always) private func allows(_ kind: UInt64, _ distance: UInt32) -> Bool {
    switch kind {
    case Symbol.Kind.match: true
    case Symbol.Kind.rep0, Symbol.Kind.shortRep: distance == rep0
    case Symbol.Kind.rep1: distance == rep1
    case Symbol.Kind.rep2: distance == rep2
    case Symbol.Kind.rep3: distance == rep3
    default: false
    }
  }

  /// The kind with the shortest code; `none` for a single byte that must be a literal.
  @inline(never) private func kindAnew(_ distance: UInt32, _ length: Int) -> UInt64 {
    if length == 1 { return distance == rep0 ? Symbol.Kind.shortRep : Symbol.Kind.none }
    switch distance {
    case rep0: return Symbol.Kind.rep0
    case rep1: return Symbol.Kind.rep1
    case rep2: return Symbol.Kind.rep2
    case rep3: return Symbol.Kind.rep3
    default: return Symbol.Kind.match
    }
  }

  @inline(__always) private mutating func encodeLength(
    _ table: RangeEncoder.Probability, _ length: Int, _ positionState: Int
  ) {
    let value = UInt32(truncatingIfNeeded: length &- 2)
    if value < 8 {
      coder.zero(table + Model.Length.choice)
      coder.tree(table + (Model.Length.low &+ positionState &<< 3), value, 3)
    } else {
      coder.one(table + Model.Length.choice)
      if value < 16 {
        coder.zero(table + Model.Length.choice2)
        coder.tree(table + (Model.Length.mid &+ positionState &<< 3), value &- 8, 3)
      } else {
        coder.one(table + Model.Length.choice2)
        coder.tree(table + Model.Length.high, value &- 16, 8)
      }
    }
  }

  /// Encodes a distance and returns the coder.
  ///
  /// The coder is passed by value: a reference would keep it in memory instead of registers everywhere.
  @inline(never) private static func encodeDistance(
    _ coder: RangeEncoder, _ probabilities: RangeEncoder.Probability, _ distance: UInt32, _ length: Int
  ) -> RangeEncoder {
    var coder = coder
    let tree = probabilities + (Table.slot &+ min(length &- 2, 3) &<< 6)
    guard distance >= 4 else {
      coder.tree(tree, distance, 6)
      return coder
    }
    let top = 31 &- distance.leadingZeroBitCount
    let slot = top &<< 1 &+ Int(distance &>> UInt32(truncatingIfNeeded: top &- 1) & 1)
    coder.tree(tree, UInt32(truncatingIfNeeded: slot), 6)
    let count = top &- 1
    if slot < 14 {
      let high = (2 | slot & 1) &<< count
      coder.reverse(
        probabilities + (Table.special &+ high &- slot), distance &- UInt32(truncatingIfNeeded: high), count)
    } else {
      coder.direct(distance &>> 4, count &- 4)
      coder.reverse(probabilities + Table.align, distance & 15, 4)
    }
    return coder
  }
}
