// The parts of Kubernetes objects that discovery reads; everything else the API server sends is dropped on arrival.

/** What every object has. */
export interface Metadata {
  readonly uid?: string
  readonly name?: string
  readonly namespace?: string
  readonly resourceVersion?: string
  /** The object is being deleted: a pod is stopping. */
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

/** Any object. */
export interface KubeObject {
  readonly metadata?: Metadata
}

/** One page of a list. */
export interface ListPage {
  readonly metadata?: { readonly resourceVersion?: string, readonly continue?: string }
  readonly items?: readonly KubeObject[]
}

/** One line of a watch. */
export interface WatchEvent {
  readonly type?: string
  readonly object?: KubeObject & Status
}

/** An error as the API server writes it. */
export interface Status {
  readonly message?: string
  readonly reason?: string
  readonly code?: number
}

interface Container {
  readonly restartPolicy?: string
  readonly ports?: ReadonlyArray<{ readonly name?: string, readonly containerPort?: number }>
}

/** A pod. */
export interface Pod extends KubeObject {
  readonly spec?: {
    readonly nodeName?: string
    readonly containers?: readonly Container[]
    readonly initContainers?: readonly Container[]
  }
  readonly status?: {
    readonly phase?: string
    readonly podIP?: string
    readonly podIPs?: ReadonlyArray<{ readonly ip?: string }>
    readonly conditions?: ReadonlyArray<{ readonly type?: string, readonly status?: string }>
  }
}

/** A part of the endpoints of a Service, all of one address family. */
export interface EndpointSlice extends KubeObject {
  readonly addressType?: string
  readonly endpoints?: ReadonlyArray<{
    readonly addresses?: readonly string[]
    readonly conditions?: { readonly ready?: boolean, readonly serving?: boolean, readonly terminating?: boolean }
    readonly nodeName?: string
    readonly targetRef?: { readonly kind?: string, readonly name?: string, readonly uid?: string }
  }>
  readonly ports?: ReadonlyArray<{ readonly name?: string, readonly port?: number }>
}
