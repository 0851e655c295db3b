// Every error the router itself answers a client with. Messages never name a worker's address.
import createError from '@fastify/error'

/** No worker may be picked now. Answered with `Retry-After`. */
export const NoAvailableWorkersError = createError('NO_AVAILABLE_WORKERS', 'No worker is available to serve this request: %s', 503)
/** A worker could not be reached at all. */
export const WorkerUnreachableError = createError('WORKER_UNREACHABLE', 'The worker chosen for this request could not be reached', 502)
/** A worker ended the connection, or answered what is not HTTP, before its answer began. */
export const WorkerConnectionError = createError('WORKER_CONNECTION_FAILED', 'The worker chosen for this request ended the connection before it answered', 502)
/** An answer's length cannot be told from its head; never shown to a client, who gets a `WORKER_CONNECTION_FAILED`. */
export const WorkerFramingError = createError('WORKER_FRAMING', 'The head of the answer does not say how long the answer is', 502)
/** A worker did not answer in time. */
export const WorkerTimeoutError = createError('WORKER_TIMEOUT', 'The worker chosen for this request did not answer in time', 504)
/** The first byte of an answer did not come in time; never shown to a client, who gets a `WORKER_TIMEOUT`. */
export const FirstByteTimeoutError = createError('FIRST_BYTE_TIMEOUT', 'The first byte of the answer did not come in time', 504)
/** A worker broke off within its answer; only ever seen inside a stream. */
export const StreamBrokenError = createError('STREAM_BROKEN', 'The worker broke off before the answer was complete', 502)
/** The queue for a place among the requests in flight is full. Answered with `Retry-After`. */
export const QueueFullError = createError('QUEUE_FULL', 'Too many requests are waiting: try again later', 429)
/** No place among the requests in flight became free in time. */
export const QueueTimeoutError = createError('QUEUE_TIMEOUT', 'The request waited too long for its turn: try again later', 408)
/** The client was silent for too long within its body. */
export const ClientBodyTimeoutError = createError('CLIENT_BODY_TIMEOUT', 'The rest of the request did not come in time', 408)
/** The router ends, and the request did not end before it. */
export const ShuttingDownError = createError('SHUTTING_DOWN', 'The router is shutting down', 503)
/** The worker was removed at once, with the requests it had. */
export const WorkerRemovedError = createError('WORKER_REMOVED', 'The worker was removed while it answered', 502)
/** A client named KV blocks of the fleet: with some connectors that ends the engine. */
export const KvTransferParamsError = createError('KV_TRANSFER_PARAMS_REFUSED', '`kv_transfer_params` is not accepted from clients', 400)
/** A prefill leg ended without an answer that can be used; never shown to a client, for whom the decode worker does it all, or who gets the cause. */
export const PrefillFailedError = createError('PREFILL_FAILED', 'The prefill of this request failed: %s', 502)
/** The legs of a request would not do what it asks for, and its workers serve nothing but legs. */
export const UnsplittableError = createError('UNSPLITTABLE', 'This request cannot be divided between a prefill and a decode worker, and the workers here serve no other', 400)
/** One leg ended because the other one did; never shown to a client. */
export const LegWithdrawnError = createError('LEG_WITHDRAWN', 'The other leg of this request ended', 502)
/** A query parameter or body of the router's own routes is missing or wrong. */
export const InvalidRequestError = createError('INVALID_REQUEST', '%s', 400)
/** The worker named in a request to the router's own routes is not known. */
export const UnknownWorkerError = createError('WORKER_NOT_FOUND', 'No worker has the URL %s', 404)
/** The worker to add is known already. */
export const DuplicateWorkerError = createError('WORKER_EXISTS', 'Worker %s is already known', 400)
/** The worker to remove is stated by a source that would bring it back. */
export const ForeignWorkerError = createError('WORKER_NOT_REMOVABLE', 'Worker %s is stated by %s and would come back: remove it there', 409)
/** The router answers the path itself, but not with this method. */
export const MethodNotAllowedError = createError('METHOD_NOT_ALLOWED', '%s is not a method of %s', 405)
/** The admin routes have a key of their own, and it was not given. Answered with `WWW-Authenticate: Bearer`. */
export const AdminKeyError = createError('ADMIN_KEY_REQUIRED', 'This route needs the admin key as bearer token', 401)
/** A browser asks for a change of the fleet on behalf of a page that nobody allowed to. */
export const ForeignPageError = createError('FOREIGN_PAGE', 'Pages of this origin may not change the fleet', 403)
/** Nothing has the path asked for. */
export const NotFoundError = createError('NOT_FOUND', 'Unknown path %s', 404)
/** The request has no bearer token, or one that nobody knows. Answered with `WWW-Authenticate: Bearer`. */
export const InvalidApiKeyError = createError('INVALID_API_KEY', '%s', 401)
/** Whose the token is cannot be found out now. Answered with `Retry-After`. */
export const AuthUnavailableError = createError('AUTH_UNAVAILABLE', 'The API key cannot be checked now: try again later', 503)
/** The caller may use certain models only, and this path is none where a model is used, or not in a way the router can be sure of. */
export const NotAllowedError = createError('NOT_ALLOWED', '%s', 403)
/** The caller may use certain models only, and the request names another, or none that is certain. */
export const ModelNotAllowedError = createError('MODEL_NOT_ALLOWED', '%s', 403)
/** No such model, or none the caller may know of. */
export const ModelNotFoundError = createError('MODEL_NOT_FOUND', 'The model does not exist, or you have no access to it', 404)
