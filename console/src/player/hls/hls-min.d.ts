declare module "hls.js/dist/hls.min.mjs" {
  import Hls from "hls.js";
  export default Hls;
}
