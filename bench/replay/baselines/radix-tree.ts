// The approximate radix tree of the Rust router's cache_aware, on units of text instead of characters: edges hold runs of units, nodes know who was sent them.
import type { Worker } from '../../../core/worker.ts'

/** A text: what it is made of, and how long its beginnings are. */
export interface Text {
  /** Each stands for itself *and everything before it*. */
  readonly units: readonly number[]
  /** Characters up to the end of each unit. */
  readonly ends: readonly number[]
}

class Node {
  /** The units of the edge that leads here, and the characters before them and at the end of each. */
  units: readonly number[]
  start: number
  ends: readonly number[]
  parent: Node | undefined
  readonly children = new Map<number, Node>()
  /** Who was sent the text up to here, and when. */
  readonly tenants = new Map<Worker, number>()

  constructor (units: readonly number[], start: number, ends: readonly number[], parent: Node | undefined) {
    this.units = units
    this.start = start
    this.ends = ends
    this.parent = parent
  }

  get characters (): number {
    return (this.ends.at(-1) ?? this.start) - this.start
  }

  /** How many units of the edge a text has, from its unit `at` on. */
  common (units: readonly number[], at: number): number {
    let same = 0
    while (same < this.units.length && this.units[same] === units[at + same]) same++
    return same
  }
}

/** What a text was found to have in common with those before it. */
export interface Match {
  readonly characters: number
  readonly tenants: ReadonlySet<Worker>
}

const nobody: ReadonlySet<Worker> = new Set()

/** The tree; nothing is forgotten but by `evict`. */
export class RadixTree {
  private readonly root = new Node([], 0, [], undefined)
  private readonly sizes = new Map<Worker, number>()

  /** Characters kept for a worker. */
  size (worker: Worker): number {
    return this.sizes.get(worker) ?? 0
  }

  /** The longest known beginning of a text and who was sent it; `stamp` is the new age of what is found, where it is to change. */
  match ({ units, ends }: Text, stamp?: number): Match {
    let node = this.root
    let at = 0
    while (at < units.length) {
      const child = node.children.get(units[at] as number)
      if (child === undefined || child.tenants.size === 0) break
      node = child
      const same = child.common(units, at)
      at += same
      if (same < child.units.length) break
    }
    if (node === this.root) return { characters: 0, tenants: nobody }
    const tenants = new Set(node.tenants.keys())
    if (stamp !== undefined) for (const tenant of tenants) node.tenants.set(tenant, stamp)
    return { characters: ends[at - 1] ?? 0, tenants }
  }

  /** Remembers that a text was sent to a worker; `refresh` says whether what was known already becomes young again. */
  insert ({ units, ends }: Text, worker: Worker, stamp: number, refresh: boolean): void {
    let node = this.root
    let at = 0
    while (at < units.length) {
      const first = units[at] as number
      let child = node.children.get(first)
      if (child === undefined) {
        child = new Node(units.slice(at), ends[at - 1] ?? 0, ends.slice(at), node)
        node.children.set(first, child)
      } else {
        const same = child.common(units, at)
        if (same < child.units.length) child = this.split(child, same)
      }
      at += child.units.length
      const known = child.tenants.has(worker)
      if (!known) this.sizes.set(worker, this.size(worker) + child.characters)
      if (!known || refresh) child.tenants.set(worker, stamp)
      node = child
    }
  }

  /** Cuts an edge after so many units; the new node before the cut is returned. */
  private split (node: Node, after: number): Node {
    const { parent } = node
    const upper = new Node(node.units.slice(0, after), node.start, node.ends.slice(0, after), parent)
    for (const [tenant, stamp] of node.tenants) upper.tenants.set(tenant, stamp)
    parent?.children.set(upper.units[0] as number, upper)
    node.start = upper.ends.at(-1) ?? node.start
    node.units = node.units.slice(after)
    node.ends = node.ends.slice(after)
    node.parent = upper
    upper.children.set(node.units[0] as number, node)
    return upper
  }

  /** For each worker that has more than `maxCharacters`: takes it off its leaves, the oldest first, until it has not. */
  evict (maxCharacters: number): void {
    for (const worker of this.sizes.keys()) {
      if (this.size(worker) <= maxCharacters) continue
      const leaves = this.leavesOf(worker)
      while (this.size(worker) > maxCharacters) {
        const leaf = oldest(leaves, worker)
        if (leaf === undefined) break
        this.leave(leaf, worker)
        const { parent } = leaf
        if (parent !== undefined && isLeafOf(parent, worker)) leaves.add(parent)
      }
    }
  }

  remove (worker: Worker): void {
    for (const leaf of this.leavesOf(worker)) {
      for (let node: Node | undefined = leaf; node !== undefined && isLeafOf(node, worker); node = node.parent) this.leave(node, worker)
    }
    this.sizes.delete(worker)
  }

  private leavesOf (worker: Worker): Set<Node> {
    const leaves = new Set<Node>()
    const look = [...this.root.children.values()]
    for (let node = look.pop(); node !== undefined; node = look.pop()) {
      if (isLeafOf(node, worker)) leaves.add(node)
      for (const child of node.children.values()) if (child.tenants.has(worker)) look.push(child)
    }
    return leaves
  }

  private leave (node: Node, worker: Worker): void {
    node.tenants.delete(worker)
    this.sizes.set(worker, this.size(worker) - node.characters)
    if (node.tenants.size === 0 && node.children.size === 0) node.parent?.children.delete(node.units[0] as number)
  }
}

/** Whether a worker was sent the text up to here and nothing that goes on from it. */
function isLeafOf (node: Node, worker: Worker): boolean {
  if (!node.tenants.has(worker)) return false
  for (const child of node.children.values()) if (child.tenants.has(worker)) return false
  return true
}

function oldest (leaves: Set<Node>, worker: Worker): Node | undefined {
  let found: Node | undefined
  let least = Infinity
  for (const leaf of leaves) {
    const stamp = leaf.tenants.get(worker) ?? Infinity
    if (stamp < least) {
      least = stamp
      found = leaf
    }
  }
  if (found !== undefined) leaves.delete(found)
  return found
}
