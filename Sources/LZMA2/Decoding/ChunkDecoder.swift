// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Decodes LZMA chunks to text and symbols.
///
/// Bounds: `text` has padding before its first byte, which the literal context reads, and after its last, which copies
/// of matches may overwrite. A literal is decoded only before `end`; a match is copied only if it ends by `end` and
/// starts within the decoded text and the dictionary. Symbols are written only below the list's capacity.
struct ChunkDecoder {
  enum Outcome { case done, distance, length, input }

  let text: UnsafeMutablePointer<UInt8>
  let dictionarySize: Int
  let symbols: SymbolList

  /// Decodes the chunk at `input`, of at least five bytes, into the text from `position` to `end`.
  func decode(
    _ model: inout Model, probabilities: UnsafeMutablePointer<UInt16>, from input: UnsafePointer<UInt8>, count: Int,
    at position: Int, to end: Int
  ) -> Outcome {
    guard input.pointee == 0 else { return .input }
    var decoder = RangeDecoder(input)
    let inputEnd = input + count
    var position = position
    var runStart = position
    while position < end {
      if symbols.count >= symbols.capacity &- 4 { symbols.grow() }
      let outcome = run(&model, probabilities, &decoder, inputEnd, &position, &runStart, end)
      guard outcome == .done else { return outcome }
    }
    if symbols.count >= symbols.capacity &- 4 { symbols.grow() }
    var left = position &- runStart
    while left > 0 {
      let run = min(left, Symbol.greatestRun)
      symbols.append(Symbol(run: run, kind: Symbol.Kind.none, length: 0, distance: 0))
      left -= run
    }
    return decoder.input == inputEnd && decoder.code == 0 ? .done : .input
  }

  /// Decodes until `end`, or until the list of symbols is full.
  private func run(
    _ model: inout Model, _ probabilities: UnsafeMutablePointer<UInt16>, _ decoder: inout RangeDecoder,
    _ inputEnd: UnsafePointer<UInt8>, _ start: inout Int, _ firstOfRun: inout Int, _ end: Int
  ) -> Outcome {
    typealias Table = Model.Table
    typealias Length = Model.Length
    let text = text
    let dictionarySize = dictionarySize
    var symbol = symbols.start + symbols.count
    let symbolEnd = symbols.start + symbols.capacity
    let lc = 8 &- model.properties.lc
    let literalShift = model.properties.lc
    let literalMask = (1 &<< model.properties.lp) &- 1
    let positionMask = (1 &<< model.properties.pb) &- 1
    let literals = probabilities + Table.literal
    var coder = decoder
    var position = start
    var runStart = firstOfRun
    var state = model.state
    var rep0 = model.rep0
    var rep1 = model.rep1
    var rep2 = model.rep2
    var rep3 = model.rep3
    var outcome = Outcome.done

    while position < end && symbol < symbolEnd {
      let positionState = position & positionMask
      if !coder.isOne(probabilities + (Table.isMatch &+ state &<< 4 &+ positionState)) {
        let context = (position & literalMask) &<< literalShift &+ Int(text[position &- 1]) &>> lc
        let table = literals + 0x300 &* context
        let value: Int
        if state < 7 {
          value = coder.tree(table, 8)
          state = state < 4 ? 0 : state &- 3
        } else {
          value = coder.matchedLiteral(table, text[position &- Int(rep0) &- 1])
          state = state < 10 ? state &- 3 : state &- 6
        }
        text[position] = UInt8(truncatingIfNeeded: value)
        position &+= 1
        if coder.input > inputEnd { outcome = .input; break }
        if position &- runStart == Symbol.greatestRun {
          symbol.pointee = Symbol(run: Symbol.greatestRun, kind: Symbol.Kind.none, length: 0, distance: 0).word
          symbol += 1
          runStart = position
        }
        continue
      }
      let kind: UInt64
      let length: Int
      if !coder.isOne(probabilities + (Table.isRep &+ state)) {
        rep3 = rep2
        rep2 = rep1
        rep1 = rep0
        length = Self.length(&coder, probabilities + Table.matchLength, positionState)
        rep0 = Self.distance(&coder, probabilities, length)
        kind = Symbol.Kind.match
        state = state < 7 ? 7 : 10
      } else {
        if !coder.isOne(probabilities + (Table.isRepG0 &+ state)) {
          if !coder.isOne(probabilities + (Table.isRep0Long &+ state &<< 4 &+ positionState)) {
            kind = Symbol.Kind.shortRep
            length = 1
            state = state < 7 ? 9 : 11
          } else {
            kind = Symbol.Kind.rep0
            length = Self.length(&coder, probabilities + Table.repLength, positionState)
            state = state < 7 ? 8 : 11
          }
        } else {
          let distance: UInt32
          if !coder.isOne(probabilities + (Table.isRepG1 &+ state)) {
            distance = rep1
            kind = Symbol.Kind.rep1
          } else {
            if !coder.isOne(probabilities + (Table.isRepG2 &+ state)) {
              distance = rep2
              kind = Symbol.Kind.rep2
            } else {
              distance = rep3
              rep3 = rep2
              kind = Symbol.Kind.rep3
            }
            rep2 = rep1
          }
          rep1 = rep0
          rep0 = distance
          length = Self.length(&coder, probabilities + Table.repLength, positionState)
          state = state < 7 ? 8 : 11
        }
      }
      if coder.input > inputEnd { outcome = .input; break }
      let distance = Int(rep0) &+ 1
      if distance > position || distance > dictionarySize { outcome = .distance; break }
      if length > end &- position { outcome = .length; break }
      symbol.pointee = Symbol(run: position &- runStart, kind: kind, length: length, distance: rep0).word
      symbol += 1
      Self.copy(text + position, distance, length)
      position &+= length
      runStart = position
    }
    decoder = coder
    start = position
    firstOfRun = runStart
    symbols.count = symbol - symbols.start
    model.state = state
    model.rep0 = rep0
    model.rep1 = rep1
    model.rep2 = rep2
    model.rep3 = rep3
    return outcome
  }
}

/// The parts of a match; inlined into `run`, whose bounds apply.
extension ChunkDecoder {
  @inline(__always) static func length(
    _ coder: inout RangeDecoder, _ table: RangeDecoder.Probability, _ positionState: Int
  ) -> Int {
    if !coder.isOne(table + Model.Length.choice) {
      return coder.tree(table + (Model.Length.low &+ positionState &<< 3), 3) &+ 2
    }
    if !coder.isOne(table + Model.Length.choice2) {
      return coder.tree(table + (Model.Length.mid &+ positionState &<< 3), 3) &+ 10
    }
    return coder.tree(table + Model.Length.high, 8) &+ 18
  }

  @inline(__always) static func distance(
    _ coder: inout RangeDecoder, _ probabilities: RangeDecoder.Probability, _ length: Int
  ) -> UInt32 {
    let slot = coder.tree(probabilities + (Model.Table.slot &+ min(length &- 2, 3) &<< 6), 6)
    guard slot >= 4 else { return UInt32(truncatingIfNeeded: slot) }
    let count = slot &>> 1 &- 1
    let high = UInt32(truncatingIfNeeded: 2 | slot & 1) &<< UInt32(truncatingIfNeeded: count)
    if slot < 14 {
      return high &+ coder.reverse(probabilities + (Model.Table.special &+ Int(high) &- slot), count)
    }
    let direct = coder.direct(count &- 4) &<< 4
    return high &+ direct &+ coder.reverse(probabilities + Model.Table.align, 4)
  }

  /// Copies `length` bytes from `distance` before `target`, and up to fifteen bytes more.
  @inline(__always) static func copy(_ target: UnsafeMutablePointer<UInt8>, _ distance: Int, _ length: Int) {
    let to = UnsafeMutableRawPointer(target)
    let from = UnsafeRawPointer(target - distance)
    if distance >= 16 {
      var offset = 0
      repeat {
        let piece = (from + offset).loadUnaligned(as: SIMD16<UInt8>.self)
        (to + offset).storeBytes(of: piece, as: SIMD16<UInt8>.self)
        offset &+= 16
      } while offset < length
    } else {
      var offset = 0
      repeat {
        target[offset] = target[offset &- distance]
        offset &+= 1
      } while offset < length
    }
  }
}
