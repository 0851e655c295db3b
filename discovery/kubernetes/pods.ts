// Whether a pod is a worker, and where.
import { isIP } from 'node:net'
import type { Pod } from './objects.ts'
import { portNumber, readHints, specOf } from './reading.ts'
import type { Reading, Rules } from './reading.ts'

/**
 * A pod is a worker while it is `Running`, `Ready` and has an address. One that is being deleted is a worker that leaves, whatever else
 * it says: its streams go on and nothing new comes. The address is the pod's first one, so a pod with two families is one worker.
 */
export function readPod (pod: Pod, rules: Rules): Reading {
  const { metadata, spec, status } = pod
  const problems: string[] = []
  const hints = readHints(metadata, problems)
  const name = `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`
  const reading = { key: metadata?.uid ?? name, name, problems }
  const leaving = metadata?.deletionTimestamp !== undefined
  const address = status?.podIP ?? status?.podIPs?.[0]?.ip ?? ''
  const ready = status?.phase === 'Running' && status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  if (isIP(address) === 0 || !(ready || leaving)) return { ...reading, spec: undefined }

  let port = hints.port === undefined ? undefined : portOf(pod, hints.port)
  if (hints.port !== undefined && port === undefined) problems.push(`vllm.ai/port is ${JSON.stringify(hints.port.slice(0, 64))}: it is no port number and no container port has that name`)
  port ??= portOf(pod, rules.port)
  if (port === undefined) {
    problems.push(`no container port is named ${JSON.stringify(rules.port)}, so it is no worker`)
    return { ...reading, spec: undefined }
  }
  const labels = { namespace: metadata?.namespace, pod: metadata?.name, node: spec?.nodeName }
  return { ...reading, spec: specOf({ address, port, leaving, labels }, hints, rules) }
}

/** A port by number, or by its name among those of containers that run beside each other: init containers that are restarted are sidecars. */
function portOf ({ spec }: Pod, wanted: string): number | undefined {
  const number = portNumber(wanted)
  if (number !== undefined) return number
  const running = [...spec?.containers ?? [], ...(spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')]
  return running.flatMap(({ ports }) => ports ?? []).find(({ name }) => name === wanted)?.containerPort
}
