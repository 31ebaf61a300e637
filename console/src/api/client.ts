/** Requests to the API. Errors carry what the API said: what was attempted, why it failed, what to do. */

import type { Page } from "./types";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint: string,
    /** The kind of problem, stable across versions: the last part of its `type`. */
    readonly code = "",
  ) {
    super(message);
    this.name = "ApiError";
  }
}

interface Problem {
  type?: string;
  title?: string;
  detail?: string;
  hint?: string;
  errors?: { field: string; message: string }[];
}

async function errorOf(response: Response): Promise<ApiError> {
  let problem: Problem = {};
  try {
    problem = (await response.json()) as Problem;
  } catch {
    // Not a problem document: something between us and the API answered.
  }
  const fields = (problem.errors ?? []).map((e) => `${e.field}: ${e.message}`).join("; ");
  const message = [problem.detail ?? problem.title ?? `HTTP ${response.status}`, fields].filter(Boolean).join(" ");
  return new ApiError(response.status, message, problem.hint ?? "", problem.type?.split("/").pop() ?? "");
}

export interface RequestOptions {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  signal?: AbortSignal;
  /** Repeating the request with the same key does not repeat its effect. */
  idempotencyKey?: string;
}

export function send(path: string, options: RequestOptions = {}): Promise<Response> {
  const { method = "GET", body, signal, idempotencyKey } = options;
  return fetch(path, {
    method,
    credentials: "same-origin",
    headers: {
      ...(method === "GET" ? {} : { "X-Skyriver-Csrf": "1" }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(idempotencyKey ? { "Idempotency-Key": idempotencyKey } : {}),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  });
}

/** @throws ApiError */
export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(path, options);
  if (!response.ok) throw await errorOf(response);
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
}

/** A file as the request's body, under its own type.
 * @throws ApiError */
export async function sendFile(path: string, file: File): Promise<void> {
  const response = await fetch(path, {
    method: "PUT",
    credentials: "same-origin",
    headers: { "X-Skyriver-Csrf": "1", "Content-Type": file.type },
    body: file,
  });
  if (!response.ok) throw await errorOf(response);
}

/** A film as the request's body, with how much of it has gone (0 to 1).
 * @throws ApiError */
export function uploadFilm<T>(path: string, file: File, onProgress: (share: number) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest(); // fetch tells nothing of what has gone out
    sending.open("POST", path);
    sending.setRequestHeader("X-Skyriver-Csrf", "1");
    sending.setRequestHeader("Content-Type", "application/octet-stream");
    sending.upload.onprogress = (event) => onProgress(event.total ? event.loaded / event.total : 0);
    sending.onerror = () => reject(new TypeError("network"));
    sending.onload = () => {
      if (sending.status < 400) resolve(JSON.parse(sending.responseText) as T);
      else errorOf(new Response(sending.responseText, { status: sending.status })).then(reject, reject);
    };
    sending.send(file);
  });
}

/** One page of a list. */
export function page<T>(path: string, cursor?: string | null, signal?: AbortSignal): Promise<Page<T>> {
  const mark = path.includes("?") ? "&" : "?";
  const suffix = cursor ? `${mark}cursor=${encodeURIComponent(cursor)}` : "";
  return request<Page<T>>(`${path}${suffix}`, signal ? { signal } : {});
}

export function newIdempotencyKey(): string {
  return crypto.randomUUID();
}
