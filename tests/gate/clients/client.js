// Asks as a list of requests says: allowed, denied, denied with a body, allowed. A line for each: what came, milliseconds.
(async () => {
  const large = { method: "POST", body: "x".repeat(300000) };
  for (const [path, options] of [["/ok", {}], ["/admin/x", {}], ["/admin/x", large], ["/ok", {}]]) {
    const start = performance.now();
    let came;
    try {
      const response = await fetch(process.argv[2] + path, { ...options, signal: AbortSignal.timeout(6000) });
      await response.text();
      came = response.status;
    } catch (error) {
      came = error.name === "TimeoutError" ? "hang" : "reset";
    }
    console.log(came, Math.round(performance.now() - start));
  }
})();
