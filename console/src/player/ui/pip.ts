/** Picture in picture: of a media element directly, of a canvas through a stream of its pictures. */

export function canPip(): boolean {
  return "pictureInPictureEnabled" in document && document.pictureInPictureEnabled;
}

export async function togglePip(surface: HTMLCanvasElement | HTMLVideoElement): Promise<void> {
  if (document.pictureInPictureElement) return document.exitPictureInPicture();
  if (surface instanceof HTMLVideoElement) {
    await surface.requestPictureInPicture();
    return;
  }
  const window = document.createElement("video");
  window.muted = true;
  window.srcObject = surface.captureStream();
  await window.play();
  await window.requestPictureInPicture();
  const end = (): void => (window.srcObject as MediaStream | null)?.getTracks().forEach((track) => track.stop());
  window.addEventListener("leavepictureinpicture", end, { once: true });
}
