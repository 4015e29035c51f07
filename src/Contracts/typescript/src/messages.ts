/** What the live socket tells (websocket/render-progress.md). Members that are not known are null. */

export type Step = 'Queued' | 'Rendering' | 'Validating' | 'Repair' | 'Done' | 'Failed' | 'Cancelled'

/** `seq` is the version of the render's history that a message takes into account. */
interface About {
  job_id: string
  seq: number
}

export interface Hello extends About {
  type: 'hello'
  current_state: { step: Step; progress: number; current_frame: number; total_frames: number; started_at: string | null }
}

export interface Progress extends About {
  type: 'progress'
  step: Step
  /** Per cent. */
  progress: number
  current_frame: number
  total_frames: number
  eta_seconds: number | null
  /** A small JPEG of the last frame as a data: URI. */
  preview_b64: string | null
  active_nodes: number
  message: string | null
}

export interface StepChange extends About { type: 'step_change'; from_step: Step; to_step: Step; at: string }
export interface FrameRepair extends About { type: 'frame_repair'; missing_frames: number[]; corrupt_frames: number[]; attempt: number; max_attempts: number }
export interface NodeEvent extends About { type: 'node_event'; event: string; node_id: string; auto_recovered: boolean; message: string }
export interface Done extends About { type: 'done'; export_id: string; output_url: string; thumbnail_url: string; duration_sec: number; size_bytes: number; compute_seconds: number }
export interface Failed extends About { type: 'failed'; failed_at_step: Step; error_message: string; error_code: string; refund_issued: boolean; trace_id: string }
export interface Cancelled extends About { type: 'cancelled'; cancelled_at: string; progress_when_cancelled: number }
export interface SnapshotUpdate { type: 'snapshot_update'; snapshot_id: string; snapshot: unknown }
export interface ProtocolError { type: 'error'; code: string; message: string }
export interface Ping { type: 'ping'; t: number }

export type LiveMessage = Hello | Progress | StepChange | FrameRepair | NodeEvent | Done | Failed | Cancelled | SnapshotUpdate | ProtocolError | Ping

/** A render as the REST shows it. */
export interface Render {
  job_id: string
  title: string
  step: Step
  progress: number
  current_frame: number
  total_frames: number
  eta_seconds?: number
  output_url?: string
  thumbnail_url?: string
  error_code?: string
  trace_id?: string
  reason: string
  [more: string]: unknown
}

export interface NewRender {
  template_id?: string
  project_id?: string
  snapshot_id?: string
  /** Field key -> text, colour (#rrggbb) or image (data: URI). */
  inputs?: Record<string, string>
  width?: number
  height?: number
  fps?: string
  background?: string
  priority?: number
}
