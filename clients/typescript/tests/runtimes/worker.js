/** For Workers: `GET /?url=URL` answers with the findings. */

import { anywhere } from "./anywhere.js";

export default {
  async fetch(request) {
    return Response.json(await anywhere(new URL(request.url).searchParams.get("url")));
  },
};
