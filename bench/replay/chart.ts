// Charts of figures as SVG, in colours that can be read on light and on dark pages.
import type { Figures, Slo } from './figures.ts'

/** Colours that differ in lightness as well as in hue. */
const colours = ['#3b82c4', '#e0872e', '#4a9d5b', '#b565b8', '#c9504d', '#8a8a8a', '#2aa7a7', '#b59a2e'] as const
/** Text and lines: enough contrast on white and on near black. */
const ink = '#7d7d7d'
const font = 'font-family="system-ui, sans-serif"'

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

function text (x: number, y: number, words: string, { size = 12, anchor = 'start', weight = 'normal', fill = ink } = {}): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${size}" text-anchor="${anchor}" font-weight="${weight}" fill="${fill}">${escape(words)}</text>`
}

const line = (x1: number, y1: number, x2: number, y2: number, opacity = 0.35): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${ink}" stroke-opacity="${opacity}"/>`

function svg (width: number, height: number, title: string, parts: readonly string[]): string {
  return [`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${Math.ceil(width)} ${Math.ceil(height)}" width="${Math.ceil(width)}" height="${Math.ceil(height)}" role="img" ${font}>`, `<title>${escape(title)}</title>`, ...parts, '</svg>', ''].join('\n')
}

/** A round number at or above, and the distance of ticks up to it. */
function scale (most: number): { readonly top: number, readonly step: number } {
  if (!(most > 0)) return { top: 1, step: 0.5 }
  const power = 10 ** Math.floor(Math.log10(most))
  const step = [0.2, 0.5, 1, 2].map(factor => factor * power).find(one => most / one <= 5) ?? 2 * power
  return { top: Math.ceil(most / step - 1e-9) * step, step }
}

/** A number as short as it may be. */
const short = (value: number): string => String(Number(value.toPrecision(3)))

interface Panel {
  readonly head: string
  readonly values: (figures: Figures) => readonly number[]
  /** What several values are, from the palest to the full colour. */
  readonly legend?: readonly string[]
}

const panels: readonly Panel[] = [
  { head: 'goodput, requests/s', values: f => [f.goodput_rps] },
  { head: 'TTFT, s', values: f => [f.ttft_p50_ms / 1000, f.ttft_p90_ms / 1000, f.ttft_p99_ms / 1000], legend: ['p50', 'p90', 'p99'] },
  { head: 'prefix hit rate, % of tokens', values: f => [100 * f.hit_rate] },
  { head: 'load, max / mean', values: f => [f.load_max_over_mean] }
]

/** Where an axis ends: at the greatest value, or where one that is far beyond the others would make these disappear. */
function endOf (values: readonly number[]): number {
  const sorted = values.toSorted((one, two) => one - two)
  const middle = sorted[sorted.length >> 1] ?? 0
  return middle > 0 ? Math.min(sorted.at(-1) ?? 0, 6 * middle) : sorted.at(-1) ?? 0
}

/** Bars of the main figures, a row of panels a trace, a bar a policy. */
export function barChart (results: Readonly<Record<string, Readonly<Record<string, Figures>>>>, slo: Slo): string {
  const longest = Math.max(0, ...Object.values(results).flatMap(rows => Object.keys(rows).map(name => name.length)))
  const left = 24 + longest * 6.6
  const panelWidth = 250
  const gap = 30
  const width = left + panels.length * (panelWidth + gap)
  const barHeight = 18
  const parts: string[] = []
  let y = 16
  for (const [trace, rows] of Object.entries(results)) {
    const policies = Object.entries(rows)
    parts.push(text(12, y + 4, `${trace}: good is TTFT ≤ ${short(slo.ttftMs / 1000)} s and ITL ≤ ${short(slo.itlMs)} ms`, { size: 14, weight: 'bold' }))
    y += 28
    for (const [at, { head, legend }] of panels.entries()) {
      const x = left + at * (panelWidth + gap)
      parts.push(text(x, y, head))
      let end = x + panelWidth
      for (const [depth, name] of [...legend?.entries() ?? []].reverse()) {
        end -= 44
        parts.push(`<rect x="${end}" y="${y - 9}" width="10" height="10" fill="${colours[0]}" fill-opacity="${opacityOf(depth, legend?.length ?? 1)}"/>`, text(end + 14, y, name, { size: 11 }))
      }
    }
    y += 10
    const bottom = y + policies.length * (barHeight + 6)
    for (const [row, [name]] of policies.entries()) parts.push(text(left - 8, y + row * (barHeight + 6) + 14, name, { anchor: 'end' }))
    for (const [at, { values }] of panels.entries()) {
      const x = left + at * (panelWidth + gap)
      const { top, step } = scale(endOf(policies.map(([, figures]) => values(figures).at(-1) ?? 0).filter(Number.isFinite)))
      const inner = panelWidth - 34
      for (let tick = 0; tick <= top + step / 2; tick += step) {
        parts.push(line(x + inner * tick / top, y, x + inner * tick / top, bottom), text(x + inner * tick / top, bottom + 14, short(tick), { size: 10, anchor: 'middle' }))
      }
      for (const [row, [, figures]] of policies.entries()) {
        const all = values(figures)
        const from = y + row * (barHeight + 6)
        for (let depth = all.length - 1; depth >= 0; depth--) {
          const value = Math.min(top, all[depth] ?? 0)
          if (Number.isFinite(value)) parts.push(`<rect x="${x}" y="${from}" width="${(inner * value / top).toFixed(1)}" height="${barHeight}" fill="${colours[0]}" fill-opacity="${opacityOf(depth, all.length)}"/>`)
        }
        const last = all.at(-1) ?? NaN
        if (Number.isFinite(last)) parts.push(text(x + inner * Math.min(1, last / top) + 4, from + 13, short(last), { size: 10 }))
      }
    }
    y = bottom + 44
  }
  return svg(width, y, 'Figures of a replay', parts)
}

/** Several values in one bar lie over each other; the smallest is the fullest. */
function opacityOf (depth: number, of: number): number {
  return of === 1 ? 0.85 : [0.95, 0.55, 0.28][depth] ?? 0.85
}

/** A curve: a name and points in ascending order. */
export interface Curve {
  readonly name: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
}

/** A panel of curves. */
export interface CurvePanel {
  readonly head: string
  readonly curves: readonly Curve[]
  /** Loads marked by a vertical line. */
  readonly marks: readonly number[]
}

/** Curves in panels, two a row, with one legend for all; y goes from 0 to 1 and is shown in per cent. */
export function curveChart (title: string, xLabel: string, yLabel: string, all: readonly CurvePanel[]): string {
  const panelWidth = 400
  const panelHeight = 220
  const left = 56
  const names = [...new Set(all.flatMap(({ curves }) => curves.map(({ name }) => name)))]
  const colourOf = (name: string): string => colours[names.indexOf(name) % colours.length] ?? ink
  const columns = Math.min(2, Math.max(1, all.length))
  const width = columns * (panelWidth + left + 24)
  const parts: string[] = [text(12, 22, title, { size: 15, weight: 'bold' })]
  let legendX = 12
  let legendY = 46
  for (const name of names) {
    const wide = 44 + name.length * 7
    if (legendX + wide > width) {
      legendX = 12
      legendY += 20
    }
    parts.push(`<line x1="${legendX}" y1="${legendY - 4}" x2="${legendX + 22}" y2="${legendY - 4}" stroke="${colourOf(name)}" stroke-width="3"/>`, text(legendX + 28, legendY, name))
    legendX += wide
  }
  const firstY = legendY + 34
  for (const [at, { head, curves, marks }] of all.entries()) {
    const x = (at % columns) * (panelWidth + left + 24) + left
    const y = firstY + Math.floor(at / columns) * (panelHeight + 74)
    const xs = curves.flatMap(({ points }) => points.map(([one]) => one))
    const { top, step } = scale(Math.max(...xs, ...marks))
    const px = (value: number): number => x + panelWidth * value / top
    const py = (value: number): number => y + panelHeight * (1 - value)
    parts.push(text(x, y - 10, head, { weight: 'bold' }))
    for (const share of [0, 0.25, 0.5, 0.75, 1]) parts.push(line(x, py(share), x + panelWidth, py(share)), text(x - 6, py(share) + 4, `${100 * share}`, { size: 10, anchor: 'end' }))
    for (let tick = 0; tick <= top + step / 2; tick += step) parts.push(line(px(tick), y, px(tick), y + panelHeight, 0.15), text(px(tick), y + panelHeight + 15, short(tick), { size: 10, anchor: 'middle' }))
    for (const mark of marks) parts.push(`<line x1="${px(mark).toFixed(1)}" y1="${y}" x2="${px(mark).toFixed(1)}" y2="${y + panelHeight}" stroke="${ink}" stroke-dasharray="4 4"/>`)
    for (const { name, points } of curves) {
      parts.push(`<polyline fill="none" stroke="${colourOf(name)}" stroke-width="2.2" points="${points.map(([px1, py1]) => `${px(px1).toFixed(1)},${py(py1).toFixed(1)}`).join(' ')}"/>`)
    }
    parts.push(text(x + panelWidth / 2, y + panelHeight + 32, xLabel, { size: 11, anchor: 'middle' }))
    parts.push(`<text x="${x - 38}" y="${y + panelHeight / 2}" font-size="11" text-anchor="middle" fill="${ink}" transform="rotate(-90 ${x - 38} ${y + panelHeight / 2})">${escape(yLabel)}</text>`)
  }
  return svg(width, firstY + Math.ceil(all.length / columns) * (panelHeight + 74), title, parts)
}
